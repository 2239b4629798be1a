"""Ask several places at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

P = TypeVar("P")
T = TypeVar("T")


def at_once(call: Callable[[P], T], places: Iterable[P], workers: int = 0) -> dict[P, T]:
    """Call a function for each place in threads: for `workers` places at a time, or for all; return the results."""
    every = tuple(places)
    with ThreadPoolExecutor(workers or max(1, len(every))) as pool:
        return dict(zip(every, pool.map(call, every), strict=True))
