"""Format the matrix of connection attempts: those that disagree with the model, those without evidence, the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from phoenix.pve.firewall.query.attempt import (
    AttemptOutcome,
    AttemptResult,
    disagreements,
    unobserved_at,
    unresponsive_hosts,
    untried_from,
)
from phoenix.pve.nics import UndeclaredNic

MADE: tuple[AttemptOutcome, ...] = ("open", "refused", "dropped", "unreachable")


def as_text(
    results: Sequence[AttemptResult], undeclared: Mapping[str, Sequence[UndeclaredNic]] = MappingProxyType({})
) -> str:
    """List the attempts that disagree with the model, and why others could not be judged; add the totals.

    `undeclared` are interfaces by guest: no attempt was made at them.
    """
    disagreeing = disagreements(results)
    lines = [*map(str, disagreeing), *untried(results)]
    for guest, nics in sorted(undeclared.items()):
        for nic in nics:
            filtered = "filtered" if nic.is_filtered else "not filtered"
            what = f"{guest}: {nic.key} at {nic.bridge} is not in the inventory"
            lines.append(f"{what}; it is {filtered} and was not tried: remove it from the guest")
    outcomes = Counter(one.observed.outcome for one in results)
    totals = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in MADE if outcomes[outcome])
    hosts = len({one.attempt.source for one in results})
    missing = sum(one.judgment == "untried" for one in results)
    connections = f"{len(results) - missing} connections tried between {hosts} hosts: {totals or 'none'}"
    lines.append(f"{connections}; untried: {missing}; disagreements with the model: {len(disagreeing)}")
    return "\n".join(lines) + "\n"


def untried(results: Sequence[AttemptResult]) -> Iterator[str]:
    """For each host, how many attempts have no evidence, and why."""
    unresponsive = unresponsive_hosts(results)
    for host, count in sorted(untried_from(results).items()):
        reason = "; the host is unresponsive" if host in unresponsive else ""
        yield f"{host}: {count} attempts could not be made from this host{reason}"
    for host, count in sorted(unobserved_at(results).items()):
        yield f"{host}: {count} attempts to this host prove nothing: their arrival could not be observed (needs perl)"
