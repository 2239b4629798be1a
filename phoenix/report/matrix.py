"""Format the matrix of connection attempts: those that disagree with the model, and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from phoenix.pve.firewall.query.attempt import AttemptOutcome, AttemptResult, disagreements, unresponsive_hosts


def as_text(results: Sequence[AttemptResult]) -> str:
    """List the attempts that disagree with the model and the hosts that could make none; add the totals."""
    disagreeing, unresponsive = disagreements(results), unresponsive_hosts(results)
    lines = [str(one) for one in disagreeing]
    untried = Counter(one.attempt.source for one in results if one.outcome == "untried")
    for host, count in sorted(untried.items()):
        reason = "; the host is unresponsive" if host in unresponsive else ""
        lines.append(f"{host}: {count} attempts could not be made from this host{reason}")
    outcomes = Counter(one.outcome for one in results)
    made: tuple[AttemptOutcome, ...] = ("open", "refused", "dropped", "unreachable")
    totals = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in made if outcomes[outcome])
    hosts = len({one.attempt.source for one in results})
    connections = f"{len(results)} connections tried between {hosts} hosts: {totals or 'none'}"
    lines.append(f"{connections}; disagreements with the model: {len(disagreeing)}")
    return "\n".join(lines) + "\n"
