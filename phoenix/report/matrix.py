"""The matrix of real connection attempts as text: what is not as the model says, and how many are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from phoenix.pve.firewall.matrix import Tried


def as_text(tried: Sequence[Tried]) -> str:
    """Each attempt that does not agree with the model, hosts that could not try, and the sums."""
    lines = [str(one) for one in tried if one.is_odd]
    silent = Counter(one.attempt.source for one in tried if one.outcome == "untried")
    lines += [f"{host}: {count} attempts could not be made from there" for host, count in sorted(silent.items())]
    found = Counter(one.outcome for one in tried)
    sums = ", ".join(f"{found[what]} {what}" for what in ("open", "refused", "dropped", "unreachable") if found[what])
    hosts = len({one.attempt.source for one in tried})
    odd = sum(one.is_odd for one in tried)
    lines.append(f"{len(tried)} connections tried between {hosts} hosts: {sums or 'none'}; {odd} against the model")
    return "\n".join(lines) + "\n"
