"""The longest ascending subsequence: the entries of a list that need not move to sort it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def longest_ascending(values: Sequence[int]) -> list[int]:
    """Find a longest strictly ascending subsequence of distinct integers, in O(n log n) (patience sorting)."""
    tails: list[int] = []
    """The lowest last value of an ascending subsequence, by the subsequence's length less one."""
    previous: dict[int, int | None] = {}
    for value in values:
        length = bisect_left(tails, value)
        previous[value] = tails[length - 1] if length else None
        tails[length : length + 1] = [value]
    chain: list[int] = []
    last = tails[-1] if tails else None
    while last is not None:
        chain.append(last)
        last = previous[last]
    return chain[::-1]
