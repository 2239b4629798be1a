"""What is derived from an estate more than once in a run, and costs something: the last answer is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from phoenix.estate import Estate

T = TypeVar("T")


def remembered(derive: Callable[[Estate], T]) -> Callable[[Estate], T]:
    """Derive from each estate once, as long as no other comes in between: an estate never changes."""
    last: list[tuple[Estate, T]] = []

    @wraps(derive)
    def known(estate: Estate) -> T:
        for of, found in last:
            if of is estate:
                return found
        found = derive(estate)
        last[:] = [(estate, found)]
        return found

    return known
