"""Several places are asked at the same time."""

from __future__ import annotations

from threading import Barrier

import pytest

from phoenix.tasks.support.at_once import at_once


@pytest.mark.parametrize("workers", [0, 3])
def test_at_the_same_time(workers: int) -> None:
    """Each call waits for all others; the results stand under their places."""
    together = Barrier(3, timeout=5)

    def call(place: int) -> tuple[int, bool]:
        return place, together.wait() >= 0

    assert at_once(call, (1, 2, 3), workers) == {1: (1, True), 2: (2, True), 3: (3, True)}
    assert at_once(call, ()) == {}


def test_failure() -> None:
    """A failed call fails the whole."""
    with pytest.raises(ZeroDivisionError):
        at_once(lambda place: 1 / place, (1, 0))
