"""A cache for derivations of the estate that a run needs several times and that take a noticeable time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from phoenix.estate import Estate

T = TypeVar("T")


def cached_per_estate(derive: Callable[[Estate], T]) -> Callable[[Estate], T]:
    """Keep the result for the last estate that was passed; an estate is immutable."""
    last: list[tuple[Estate, T]] = []

    @wraps(derive)
    def cached(estate: Estate) -> T:
        for known, result in last:
            if known is estate:
                return result
        result = derive(estate)
        last[:] = [(estate, result)]
        return result

    return cached
