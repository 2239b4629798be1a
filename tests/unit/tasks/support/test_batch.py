"""Changes of many containers at once: by the node from outside where it can, by scripts inside for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nornir.core.task import Task

from phoenix.connections.shell import NodeShell
from phoenix.connections.ssh import Completed, ConnectionFailedError
from phoenix.converge import Change, HostSession, Observation, Probe, Resource
from phoenix.run import Run
from phoenix.tasks.support import batch as together
from phoenix.tasks.support.batch import Outside, apply_together
from tests.support.estates import estate, guest

NAMES = ("one", "two", "three")
CHANGE = Change("file /x", "create", script="touch /x")


class Wanted:
    """A resource that always differs, and about which nothing need be asked."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask nothing."""
        return ()

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        """The one change."""
        return (CHANGE,)


class Bench:
    """Three containers of the node `pve`, and notes of those in which a script was run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inside: list[int] = []
        self.sessions = {name: HostSession(name, None) for name in NAMES}
        found = estate(*(guest(name, number, kind="lxc") for number, name in enumerate(NAMES, 30)))
        self.vmids = {one.name: one.vmid for one in found.guests}
        run = SimpleNamespace(
            estate=found, failed=set(), targets=set(NAMES), is_running=lambda _vmid: True, session=self.sessions.get
        )
        self.run = cast("Run", run)
        monkeypatch.setattr(together, "session", lambda _task: SimpleNamespace(shell=NodeShell(cast("Any", None))))
        monkeypatch.setattr(together, "run_in_containers", self._run)

    def _run(self, _shell: NodeShell, scripts: Mapping[int, str], _limit: float) -> dict[int, Completed]:
        self.inside += scripts
        return dict.fromkeys(scripts, Completed(0, "@done", ""))

    def apply(self, outside: Outside) -> None:
        """Serve all three."""
        task = SimpleNamespace(host=SimpleNamespace(name="pve"), is_dry_run=lambda _asked: False)
        wanted: tuple[Resource, ...] = (Wanted(),)
        apply_together(cast("Task", task), self.run, lambda _run, _name: wanted, outside=lambda _run, _found: outside)

    def names(self) -> list[str]:
        """The containers in which a script was run."""
        return [name for name, vmid in self.vmids.items() if vmid in self.inside]

    def made(self) -> list[str]:
        """The containers whose changes were made ahead."""
        return [name for name, session in self.sessions.items() if session.made([CHANGE])]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The three containers."""
    return Bench(monkeypatch)


def test_node_makes_some(bench: Bench) -> None:
    """What the node makes from outside needs no script, and every host's own task finds its changes made."""
    bench.apply(Outside({"one", "two"}, lambda _shell: {"one", "two"}))
    assert bench.names() == ["three"]
    assert bench.made() == list(NAMES)


def test_node_cannot_make_one(bench: Bench) -> None:
    """A container in which the node did not come to its end is served by its script."""
    bench.apply(Outside({"one", "two"}, lambda _shell: {"one"}))
    assert bench.names() == ["two", "three"]
    assert bench.made() == list(NAMES)


def test_node_does_not_answer(bench: Bench) -> None:
    """Where the node does not answer, its containers are left to their own tasks, and nothing is raised."""

    def broken(_shell: NodeShell) -> set[str]:
        raise ConnectionFailedError("pve: the connection broke")

    bench.apply(Outside({"one", "two"}, broken))
    assert bench.made() == ["three"]
