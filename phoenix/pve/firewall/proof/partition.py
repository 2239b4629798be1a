"""The packets that rules can tell apart: one address for each set of equal ones, and one service for each class.

A proof asks about these and has then asked about all. Addresses are those of IPv4, as the estate's are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from phoenix.pve.firewall.model.evaluate import EPHEMERAL
from phoenix.pve.firewall.model.intervals import V4_END, Intervals, contains
from phoenix.pve.firewall.model.match import Match

HIGHEST_PORT = 65_535
PORTED = ("tcp", "udp")


class Line:
    """Representatives of all addresses, ascending; a set of them is a mask with a bit for each."""

    def __init__(self, sets: Iterable[Intervals], hosts: Iterable[int]) -> None:
        own = set(hosts)
        self.addresses = tuple(sorted({*own, *_representatives({*sets, *(((host, host),) for host in own)})}))
        self.everybody = (1 << len(self.addresses)) - 1
        self._masks: dict[Intervals, int] = {}

    def mask(self, parts: Intervals | None) -> int:
        """The bits of a set of addresses; None is everybody."""
        if parts is None:
            return self.everybody
        if parts not in self._masks:
            bits = 0
            for low, high in parts:
                first, end = bisect_left(self.addresses, low), bisect_right(self.addresses, high)
                bits |= (1 << end) - (1 << first)
            self._masks[parts] = bits
        return self._masks[parts]

    def of(self, mask: int) -> tuple[int, ...]:
        """The addresses of a mask."""
        found = []
        while mask:
            lowest = mask & -mask
            found.append(self.addresses[lowest.bit_length() - 1])
            mask ^= lowest
        return tuple(found)


def _representatives(sets: set[Intervals]) -> Iterable[int]:
    """The lowest address of each kind: what is in the same sets is of the same kind."""
    turns: dict[int, int] = {0: 0}
    for number, parts in enumerate(sorted(sets)):
        mark = int.from_bytes(sha256(str(number).encode()).digest()[:16])
        for low, high in parts:
            for place in (low, high + 1):
                turns[place] = turns.get(place, 0) ^ mark
    kinds: dict[int, int] = {}
    kind = 0
    for place in sorted(turns):
        kind ^= turns[place]
        if place < V4_END:
            kinds.setdefault(kind, place)
    return kinds.values()


@dataclass(frozen=True, order=True)
class Service:
    """One class of what is asked for: a protocol with a port or type of its own, and where the asker sends from."""

    proto: str
    dport: int = 0
    icmp: str = ""
    sport: int = EPHEMERAL

    def __str__(self) -> str:
        sport = "" if self.sport == EPHEMERAL else f" from port {self.sport}"
        return f"{self.proto} {self.icmp or self.dport or ''}".strip() + sport

    def is_in(self, match: Match) -> bool:
        """Tell whether a step is about it, as far as addresses do not matter."""
        return (
            match.special == ""
            and match.proto in ("", self.proto)
            and match.icmp in ("", self.icmp)
            and (not match.dport or contains(match.dport, self.dport))
            and (not match.sport or contains(match.sport, self.sport))
        )


def services(matches: Iterable[Match], opening: Iterable[Match]) -> tuple[Service, ...]:
    """One service for each class that the matches can tell apart, and one for all that none of them mentions.

    The asker's own port counts only where one of the `opening` matches does: a port that only closes opens nothing.
    """
    every, open_ = {*matches}, {*opening}
    found = {Service("gre"), *(Service("icmp", icmp=kind) for kind in _types(every))}
    found |= {Service(match.proto) for match in every if match.proto not in ("", "icmp", "icmpv6", *PORTED)}
    for proto in PORTED:
        own = [match for match in every if match.proto in ("", proto)]
        dports = _distinct(match.dport for match in own)
        sports = _distinct(match.sport for match in open_ if match.proto in ("", proto)) if _sported(open_) else []
        found |= {Service(proto, dport, sport=sport) for dport in dports for sport in {EPHEMERAL, *sports}}
    return tuple(sorted(found))


def _sported(matches: set[Match]) -> bool:
    return any(match.sport for match in matches)


def _types(matches: set[Match]) -> set[str]:
    return {"echo-request", "timestamp-request", *(match.icmp for match in matches if match.proto == "icmp")} - {""}


def _distinct(ranges: Iterable[Intervals]) -> list[int]:
    """One number for each kind of port, 0 for none; a port that nothing mentions stands for all such ones."""
    named = {parts for parts in ranges if parts}
    edges = sorted({place for parts in named for low, high in parts for place in (low, high + 1)} - {HIGHEST_PORT + 1})
    kinds: dict[frozenset[Intervals], int] = {}
    for place in (*edges, 1, EPHEMERAL):
        kind = frozenset(parts for parts in named if contains(parts, place))
        kinds.setdefault(kind, place)
    return list(kinds.values())
