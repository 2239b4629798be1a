"""Sets of integers as disjoint intervals: ports, and IP addresses as integers, IPv4 first and IPv6 after it.

The lowest layer of the model: rules' ports and addresses are compiled to these sets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

ClosedInterval = tuple[int, int]
"""The lowest and the highest member."""
Intervals = tuple[ClosedInterval, ...]
"""A set: disjoint and ascending."""

V4_END = 2**32
"""The integer of the IPv6 address `::`."""
ANY_V4: Intervals = ((0, V4_END - 1),)


def address_to_int(address: str | IPv4Address | IPv6Address) -> int:
    """Convert an address; raises ValueError if the text is not an address."""
    parsed = ip_address(address) if isinstance(address, str) else address
    return int(parsed) if parsed.version == 4 else int(parsed) + V4_END  # noqa: PLR2004


def int_to_address(value: int) -> IPv4Address | IPv6Address:
    """Convert an integer back to its address."""
    return IPv4Address(value) if value < V4_END else IPv6Address(value - V4_END)


@lru_cache(maxsize=65536)
def parse_network(text: str) -> ClosedInterval:
    """Read an address or a network in CIDR notation, ignoring host bits; raises ValueError for other text."""
    network = ip_network(text, strict=False)
    return address_to_int(network.network_address), address_to_int(network.broadcast_address)


def union(parts: Iterable[ClosedInterval]) -> Intervals:
    """Unite intervals; adjacent ones are joined."""
    joined: list[ClosedInterval] = []
    for low, high in sorted(parts):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def subtract(parts: Intervals, hole: ClosedInterval) -> Intervals:
    """Remove an interval from a set."""
    rest: list[ClosedInterval] = []
    for low, high in parts:
        if high < hole[0] or low > hole[1]:
            rest.append((low, high))
            continue
        if low < hole[0]:
            rest.append((low, hole[0] - 1))
        if high > hole[1]:
            rest.append((hole[1] + 1, high))
    return tuple(rest)


def contains(parts: Intervals, value: int) -> bool:
    """Tell whether an integer is in the set."""
    index = bisect_right(parts, (value, 2**200))
    return index > 0 and value <= parts[index - 1][1]
