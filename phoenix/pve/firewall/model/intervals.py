"""Sets of numbers as intervals: ports, and addresses counted on one line, IPv4 first and IPv6 after it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]
"""Disjoint, ascending, both ends included."""

V4_END = 2**32
ANY_PORT: Intervals = ((0, 65535),)
ANY_V4: Intervals = ((0, V4_END - 1),)
ANY_V6: Intervals = ((V4_END, V4_END + 2**128 - 1),)


def number(address: str | IPv4Address | IPv6Address) -> int:
    """The place of an address on the line; ValueError for what is none."""
    found = ip_address(address) if isinstance(address, str) else address
    return int(found) if found.version == 4 else int(found) + V4_END  # noqa: PLR2004


def address_of(place: int) -> IPv4Address | IPv6Address:
    """The address at a place of the line."""
    return IPv4Address(place) if place < V4_END else IPv6Address(place - V4_END)


@lru_cache(maxsize=65536)
def network(text: str) -> Interval:
    """An address or a network in CIDR notation, host bits cleared; ValueError for what is neither."""
    found = ip_network(text, strict=False)
    return number(found.network_address), number(found.broadcast_address)


def union(parts: Iterable[Interval]) -> Intervals:
    """All of them, joined where they touch."""
    joined: list[Interval] = []
    for low, high in sorted(parts):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def without(parts: Intervals, hole: Interval) -> Intervals:
    """What is left of a set when an interval is taken out."""
    left: list[Interval] = []
    for low, high in parts:
        if high < hole[0] or low > hole[1]:
            left.append((low, high))
            continue
        if low < hole[0]:
            left.append((low, hole[0] - 1))
        if high > hole[1]:
            left.append((hole[1] + 1, high))
    return tuple(left)


def contains(parts: Intervals, place: int) -> bool:
    """Tell whether a number is in the set."""
    index = bisect_right(parts, (place, 2**200))
    return index > 0 and place <= parts[index - 1][1]
