"""`pct` on the node: locks are waited for, other failures are not."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from phoenix.connections import locks
from phoenix.connections.ssh import Completed
from phoenix.connections.waits import Waits
from phoenix.errors import TaskFailedError
from phoenix.tasks.support.pct import run_pct
from tests.support.estates import estate
from tests.support.runs import planning_run

LOCKED = Completed(255, "", "CT is locked (backup)\n")
BUSY = Completed(255, "", "can't lock file '/run/lock/lxc/pve-config-914.lock' - got timeout\n")
DONE, REFUSED = Completed(0, "ok", ""), Completed(1, "", "no such directory\n")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(locks, "LOCK_PAUSE", 0.001)


def run_with(answers: Iterator[Completed], scripts: list[str]) -> Any:
    """A run whose node gives these answers."""

    def script(text: str, _limit: float) -> Completed:
        scripts.append(text.splitlines()[-1])
        return next(answers)

    shell = SimpleNamespace(run=script)
    return planning_run(estate(), links=SimpleNamespace(shell=lambda _name: shell, waits=Waits()))


@pytest.mark.parametrize(("answers", "count"), [((DONE,), 1), ((LOCKED, DONE), 2), ((BUSY, LOCKED, DONE), 3)])
def test_locks_are_waited_for(answers: tuple[Completed, ...], count: int) -> None:
    """A command that meets a lock is repeated until the lock is released."""
    scripts: list[str] = []
    assert run_pct(run_with(iter(answers), scripts), "pve", "set", 914, ("-mp0", "/a b,mp=/b")) == "ok"
    assert scripts == ["pct set 914 -mp0 '/a b,mp=/b'"] * count


def test_a_failure_is_not_repeated() -> None:
    """A command that fails for another reason is an error with its words and the node."""
    scripts: list[str] = []
    with pytest.raises(TaskFailedError, match=r"pct set 914 -mp0 x failed on pve: no such directory$"):
        run_pct(run_with(iter([REFUSED]), scripts), "pve", "set", 914, ("-mp0", "x"))
    assert len(scripts) == 1


def test_a_lock_is_not_waited_for_endlessly() -> None:
    """A lock that is not released in time is an error that says what to do."""
    answers = iter([LOCKED] * 10_000)
    with pytest.raises(TaskFailedError, match=r"CT is locked \(backup\); it was not released within 0 s: .*pct unlock"):
        run_pct(run_with(answers, []), "pve", "set", 914, lock_limit=0.05)
