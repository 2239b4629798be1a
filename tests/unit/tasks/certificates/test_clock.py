"""A host whose clock differs from the controller's is told so, and nothing is made of its certificates."""

from __future__ import annotations

import pytest

from phoenix.converge import Observation
from phoenix.errors import TaskFailedError
from phoenix.tasks.certificates.clock import Clock

NOW = 1_700_000_000


def seen(said: int | str, at: float = NOW) -> Observation:
    """What a host said when it was asked."""
    return Observation(outputs={"clock": f"{said}\n"}, at=at)


@pytest.mark.parametrize("off", [0, 5, 60, -60])
def test_close_enough(off: int) -> None:
    """A minute is nothing."""
    assert Clock().changes(seen(NOW + off)) == ()


@pytest.mark.parametrize(
    ("off", "words"),
    [(61, "1 min ahead of"), (-7200, "2.0 h behind"), (3 * 86_400, "3 d ahead of"), (-40 * 86_400, "40 d behind")],
)
def test_too_far(off: int, words: str) -> None:
    """More is refused, with how much it is and what to do."""
    with pytest.raises(TaskFailedError, match=f"its clock is {words} the controller's.*timedatectl"):
        Clock().changes(seen(NOW + off))


@pytest.mark.parametrize("observation", [Observation(), Observation(outputs={"clock": ""}, at=NOW)])
def test_host_that_was_not_asked(observation: Observation) -> None:
    """A host that does not exist yet has no clock that could be wrong."""
    assert Clock().changes(observation) == ()
