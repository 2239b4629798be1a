"""The matrix of real connection attempts as text: what is not as the model says, and how many are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from phoenix.pve.firewall.query.matrix import Tried, silent, surprises


def as_text(tried: Sequence[Tried]) -> str:
    """Each attempt that does not agree with the model, hosts that could not try, and the sums."""
    odd, quiet = surprises(tried), silent(tried)
    lines = [str(one) for one in odd]
    untried = Counter(one.attempt.source for one in tried if one.outcome == "untried")
    for host, count in sorted(untried.items()):
        why = ", and it answers nobody" if host in quiet else ""
        lines.append(f"{host}: {count} attempts could not be made from there{why}")
    found = Counter(one.outcome for one in tried)
    sums = ", ".join(f"{found[what]} {what}" for what in ("open", "refused", "dropped", "unreachable") if found[what])
    hosts = len({one.attempt.source for one in tried})
    lines.append(
        f"{len(tried)} connections tried between {hosts} hosts: {sums or 'none'}; {len(odd)} against the model"
    )
    return "\n".join(lines) + "\n"
