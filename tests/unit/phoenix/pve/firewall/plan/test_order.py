"""The longest ascending subsequence, compared with all subsequences."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from phoenix.pve.firewall.plan.order import longest_ascending


@given(values=st.permutations(range(7)), length=st.integers(0, 7))
def test_longest_ascending(values: list[int], length: int) -> None:
    """The result is an ascending subsequence, and no other one is longer."""
    values = values[:length]
    subsequences = [list(one) for size in range(length + 1) for one in combinations(values, size)]
    ascending = [one for one in subsequences if one == sorted(one)]
    chosen = longest_ascending(values)
    assert chosen in ascending
    assert len(chosen) == max(map(len, ascending))
