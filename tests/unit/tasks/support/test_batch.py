"""Changes of many containers at once: by the node from outside where it can, by scripts inside for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nornir.core.task import Task

from phoenix.connections.links import Links
from phoenix.connections.shell import NodeShell
from phoenix.connections.ssh import Completed, ConnectionFailedError
from phoenix.converge import Change, HostSession, Observation, Probe
from phoenix.estate import Guest
from phoenix.run import Converge, Run
from phoenix.tasks.support import batch
from phoenix.tasks.support.batch import ConvergeAhead, NodeSideChanges
from tests.support.estates import estate, guest

NAMES = ("one", "two", "three")
CHANGE = Change("file /x", "create", script="touch /x")


class AlwaysDiffers:
    """A resource that differs on every host, without a question."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask no question."""
        return ()

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        """The one change."""
        return (CHANGE,)


CONVERGE: Converge[Guest] = Converge("converge", lambda _run, _guest: (AlwaysDiffers(),))


class Bench:
    """Three containers of the node `pve`, and notes of those in which a script was run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inside: list[int] = []
        self.sessions = {name: HostSession(name, cast("Any", object())) for name in NAMES}
        self.estate = estate(*(guest(name, number, kind="lxc") for number, name in enumerate(NAMES, 30)))
        links = SimpleNamespace(node=lambda _name: NodeShell(cast("Any", None)))
        self.run = Run(self.estate, cast("Links", links), frozenset(NAMES), _sessions=self.sessions)
        for one in self.estate.guests:
            self.run.guests.note(one, "running")
        monkeypatch.setattr(batch, "run_in_containers", self._run)

    def _run(self, _shell: NodeShell, scripts: Mapping[int, str], _limit: float) -> dict[int, Completed]:
        self.inside += scripts
        return dict.fromkeys(scripts, Completed(0, "@done", ""))

    def apply(self, node_side: NodeSideChanges) -> None:
        """Make the changes of all three."""
        task = SimpleNamespace(host=SimpleNamespace(name="pve"), is_dry_run=lambda _asked: False)
        ConvergeAhead("ahead", CONVERGE, lambda _run, _planned: node_side)(cast("Task", task), self.run)

    def names(self) -> list[str]:
        """The containers in which a script was run."""
        return [one.name for one in self.estate.guests if one.vmid in self.inside]

    def made(self) -> list[str]:
        """The containers whose changes were made ahead."""
        return [name for name in NAMES if self.sessions[name].take_applied("converge")]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The three containers."""
    return Bench(monkeypatch)


def test_node_makes_some(bench: Bench) -> None:
    """What the node makes from outside needs no script, and every host's own task finds its changes made."""
    bench.apply(NodeSideChanges({"one", "two"}, lambda _shell: {"one", "two"}))
    assert bench.names() == ["three"]
    assert bench.made() == list(NAMES)


def test_node_cannot_make_one(bench: Bench) -> None:
    """A container in which the node did not come to its end is served by its script."""
    bench.apply(NodeSideChanges({"one", "two"}, lambda _shell: {"one"}))
    assert bench.names() == ["two", "three"]
    assert bench.made() == list(NAMES)


def test_node_does_not_answer(bench: Bench) -> None:
    """Where the node does not answer, its containers are left to their own tasks, and nothing is raised."""

    def broken(_shell: NodeShell) -> set[str]:
        raise ConnectionFailedError("pve: the connection broke")

    bench.apply(NodeSideChanges({"one", "two"}, broken))
    assert bench.made() == ["three"]
