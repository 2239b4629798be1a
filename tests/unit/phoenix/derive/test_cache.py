"""The cache for derivations of an estate."""

from __future__ import annotations

from itertools import count

from phoenix.derive.cache import cached_per_estate
from tests.support import estates


def test_one_derivation_for_each_estate() -> None:
    """A derivation runs once as long as the same estate is passed, and again for another estate, even an equal one."""
    calls = count(1)
    derive = cached_per_estate(lambda _: next(calls))
    first, equal = estates.estate(), estates.estate()
    assert [derive(first), derive(first), derive(equal), derive(equal)] == [1, 1, 2, 2]
