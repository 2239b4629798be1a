"""Changes in all containers of a node at once, over one SSH channel, ahead of each container's own task.

Each container's own task then takes the result, or makes the changes itself if its container was left out here. Where
the node can make a container's changes from outside, no shell is started in the container.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nornir.core.task import Task

from phoenix.connections.fanout import run_in_containers
from phoenix.connections.shell import NodeShell
from phoenix.connections.ssh import Completed
from phoenix.converge import AppliedAhead, Change, Outcome
from phoenix.converge.apply import apply_script
from phoenix.converge.host_session import APPLY_SECONDS
from phoenix.errors import PhoenixError
from phoenix.estate import Guest
from phoenix.run import ChangesByHost, Converge, Run


@dataclass(frozen=True)
class NodeSideChanges:
    """Hosts whose changes the node can make from outside; `make` makes them and returns the hosts that succeeded."""

    hosts: AbstractSet[str]
    make: Callable[[NodeShell], AbstractSet[str]]


NO_NODE_SIDE_CHANGES = NodeSideChanges(frozenset(), lambda _shell: frozenset())


@dataclass(frozen=True)
class ConvergeAhead:
    """A Nornir task on a hypervisor: makes the changes of one task in all of its containers whose state is known.

    `node_side` selects the containers whose changes the node can make from outside.
    """

    name: str
    ahead_of: Converge[Any]
    node_side: Callable[[Run, ChangesByHost], NodeSideChanges] = lambda _run, _changes: NO_NODE_SIDE_CHANGES

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, task: Task, run: Run, *, dry_run: bool | None = None) -> Outcome:
        """Make the changes. A failure is left to each container's own task, which reports it."""
        if not run.failed and not task.is_dry_run(dry_run):
            containers = [guest for guest in run.estate.guests if self._is_known(run, guest, task.host.name)]
            planned = {guest.name: changes for guest in containers if (changes := self._planned(run, guest))}
            with suppress(PhoenixError):
                self._apply_all(run, run.links.node(task.host.name), planned)
        return Outcome(task.host)

    def _apply_all(self, run: Run, shell: NodeShell, planned: ChangesByHost) -> None:
        node_side = self.node_side(run, planned)
        with ThreadPoolExecutor(1) as pool:
            making = pool.submit(node_side.make, shell)
            self._apply(run, shell, _without(planned, node_side.hosts))
        made = making.result()
        for name in made:
            run.session(name).add_applied(
                self.ahead_of.name, AppliedAhead(tuple(planned[name]), (), Completed(0, "@done", ""))
            )
        self._apply(run, shell, _only(planned, node_side.hosts - made))

    def _apply(self, run: Run, shell: NodeShell, planned: ChangesByHost) -> None:
        vmids = {guest.name: guest.vmid for guest in run.estate.guests}
        completed = self.ahead_of.complete(run, planned)
        scripted = {name: tuple(one for one in changes if one.script) for name, changes in completed.items()}
        scripts = {vmids[name]: apply_script(changes) for name, changes in scripted.items()}
        done = run_in_containers(shell, scripts, APPLY_SECONDS)
        for name, changes in scripted.items():
            if vmids[name] in done:
                applied = AppliedAhead(tuple(planned[name]), changes, done[vmids[name]])
                run.session(name).add_applied(self.ahead_of.name, applied)

    def _is_known(self, run: Run, guest: Guest, node: str) -> bool:
        is_here = guest.kind == "lxc" and guest.hypervisor == node and guest.name in run.targets
        if not is_here or not run.guests.is_running(guest.vmid):
            return False
        return run.session(guest.name).knows(self.ahead_of.resources(run, guest))

    def _planned(self, run: Run, guest: Guest) -> tuple[Change, ...]:
        """Plan a container's changes; none where the plan fails, or where a file must be uploaded first."""
        try:
            changes = self.ahead_of.plan(run, guest).changes
        except PhoenixError:
            return ()
        return () if any(change.upload for change in changes) else changes


def _without(planned: ChangesByHost, names: AbstractSet[str]) -> ChangesByHost:
    return {name: changes for name, changes in planned.items() if name not in names}


def _only(planned: ChangesByHost, names: AbstractSet[str]) -> ChangesByHost:
    return {name: changes for name, changes in planned.items() if name in names}
