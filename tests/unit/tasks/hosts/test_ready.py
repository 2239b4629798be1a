"""A guest that was started is waited for, with a limit and a reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from phoenix.connections.ssh import Completed, ConnectionFailedError
from phoenix.connections.waits import Waits
from phoenix.errors import TaskFailedError
from phoenix.run import Run
from phoenix.tasks.hosts import ready
from phoenix.tasks.hosts.ready import wait_until_ready
from tests.support.estates import estate, guest
from tests.support.runs import planning_run

BOX, MACHINE = guest("box", 20, "lxc"), guest("machine", 21, "vm", kind="vm")
SMALL = estate(BOX, MACHINE)


def run_with(*answers: Completed | Exception) -> tuple[Run, list[float]]:
    """A run whose hosts give these answers, the last one forever; and the limits of the questions."""
    left, limits = list(answers), []

    def script(_text: str, limit: float) -> Completed:
        limits.append(limit)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    links: Any = SimpleNamespace(shell=lambda _name: SimpleNamespace(run=script), waits=Waits())
    run = planning_run(SMALL, links=links)
    for machine in (BOX, MACHINE):
        run.guests.note(machine, "running")
    return run, limits


UP, DOWN, AWAY = (
    Completed(0, "", ""),
    Completed(1, "systemd in it says: starting\n", ""),
    ConnectionFailedError("closed"),
)


@pytest.mark.parametrize(("which", "answers"), [(BOX, (UP,)), (MACHINE, (UP,)), (MACHINE, (AWAY, AWAY, UP))])
def test_ready(monkeypatch: pytest.MonkeyPatch, which: Any, answers: tuple[Completed | Exception, ...]) -> None:
    """A container is waited for on its node, a machine from the moment at which it can be connected to."""
    monkeypatch.setattr(ready, "PAUSE", 0.001)
    run, limits = run_with(*answers)
    wait_until_ready(run, which)
    assert len(limits) == len(answers)
    assert max(limits) <= ready.READY_SECONDS + ready.GRACE_SECONDS


@pytest.mark.parametrize(("which", "answer", "says"), [(BOX, DOWN, "says: starting"), (MACHINE, AWAY, "closed")])
def test_not_ready(monkeypatch: pytest.MonkeyPatch, which: Any, answer: Completed | Exception, says: str) -> None:
    """A guest that does not come up is an error with its last state; questions end with the wait."""
    monkeypatch.setattr(ready, "PAUSE", 0.01)
    monkeypatch.setattr(ready, "READY_SECONDS", 0.1)
    run, limits = run_with(answer)
    with pytest.raises(TaskFailedError, match=f"did not come up within 0 s: .*{says}"):
        wait_until_ready(run, which)
    assert max(limits) <= 0.1 + ready.GRACE_SECONDS
