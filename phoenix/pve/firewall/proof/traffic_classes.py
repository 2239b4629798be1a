"""All protocols, ports and ICMP types → one representative per class that no rule and no flow distinguishes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from phoenix.pve.firewall.model.evaluate import EPHEMERAL
from phoenix.pve.firewall.model.intervals import Intervals, contains
from phoenix.pve.firewall.model.lookup import MAX_PORT
from phoenix.pve.firewall.model.match import RuleMatch

PROTOCOLS_WITH_PORTS = ("tcp", "udp")


@dataclass(frozen=True, order=True)
class TrafficClass:
    """A protocol with its destination port or ICMP type, and the client's source port."""

    proto: str
    dport: int = 0
    icmp: str = ""
    sport: int = EPHEMERAL

    def __str__(self) -> str:
        sport = "" if self.sport == EPHEMERAL else f" from port {self.sport}"
        return f"{self.proto} {self.icmp or self.dport or ''}".strip() + sport

    def is_in(self, match: RuleMatch) -> bool:
        """Tell whether a match applies to this traffic, whatever the addresses."""
        return (
            match.special == ""
            and match.proto in ("", self.proto)
            and match.icmp in ("", self.icmp)
            and (not match.dport or contains(match.dport, self.dport))
            and (not match.sport or contains(match.sport, self.sport))
        )


def traffic_classes(matches: Iterable[RuleMatch], accepting: Iterable[RuleMatch]) -> tuple[TrafficClass, ...]:
    """One representative per class that the matches distinguish, and one for the traffic that none of them names.

    Source ports count only if one of the `accepting` matches names some: a rule that drops by source port permits none.
    """
    every, accepts = {*matches}, {*accepting}
    classes = {TrafficClass("gre"), *(TrafficClass("icmp", icmp=kind) for kind in _icmp_types(every))}
    classes |= {
        TrafficClass(match.proto) for match in every if match.proto not in ("", "icmp", "icmpv6", *PROTOCOLS_WITH_PORTS)
    }
    by_sport = any(match.sport for match in accepts)
    for proto in PROTOCOLS_WITH_PORTS:
        own = [match for match in every if match.proto in ("", proto)]
        dports = _representatives(match.dport for match in own)
        sports = _representatives(match.sport for match in accepts if match.proto in ("", proto)) if by_sport else []
        classes |= {TrafficClass(proto, dport, sport=sport) for dport in dports for sport in {EPHEMERAL, *sports}}
    return tuple(sorted(classes))


def _icmp_types(matches: set[RuleMatch]) -> set[str]:
    named = {match.icmp for match in matches if match.proto == "icmp"}
    return {"echo-request", "timestamp-request", *named} - {""}


def _representatives(sets: Iterable[Intervals]) -> list[int]:
    """One port per class of ports that are in the same sets; ports that are in no set are a class, too."""
    named = {parts for parts in sets if parts}
    boundaries = {port for parts in named for low, high in parts for port in (low, high + 1)} - {MAX_PORT + 1}
    lowest: dict[frozenset[Intervals], int] = {}
    for port in (*sorted(boundaries), 1, EPHEMERAL):
        lowest.setdefault(frozenset(parts for parts in named if contains(parts, port)), port)
    return list(lowest.values())
