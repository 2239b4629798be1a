"""Changes in all containers of a node at once, over one channel; each host's own task then says how it went.

Where the node can make the changes of a container from outside, no shell is started in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from nornir.core.task import Result, Task

from phoenix.connections.fanout import run_in_containers
from phoenix.connections.shell import NodeShell
from phoenix.connections.ssh import Completed
from phoenix.converge import Change, Resource
from phoenix.converge.apply import apply_script
from phoenix.converge.session import APPLY_SECONDS
from phoenix.estate import Guest
from phoenix.run import Run
from phoenix.run.runner import EXPECTED_ERRORS, TaskFailedError
from phoenix.tasks.support.converging import result, session

Resources = Callable[[Run, str], tuple[Resource, ...]]
Found = Mapping[str, Sequence[Change]]
"""Changes by host."""


@dataclass(frozen=True)
class Outside:
    """Hosts whose changes the node may make from outside; `make` does it, and gives those for which it succeeded."""

    hosts: AbstractSet[str]
    make: Callable[[NodeShell], AbstractSet[str]]


NOTHING = Outside(frozenset(), lambda _shell: frozenset())


def apply_together(
    task: Task,
    run: Run,
    wanted: Resources,
    scripted: Callable[[Run, Found], Found] = lambda _run, found: found,
    outside: Callable[[Run, Found], Outside] = lambda _run, _found: NOTHING,
    *,
    dry_run: bool | None = None,
) -> Result:
    """Make the changes of all containers whose answer is known; where a host failed, each is served alone after it.

    `scripted` gives changes that have no script theirs; what goes wrong then is told by each host's own task. `outside`
    makes the changes of some of them without a script, and tells of which.
    """
    if not run.failed and not task.is_dry_run(dry_run):
        known = [guest for guest in run.estate.guests if _is_known(run, guest, task.host.name, wanted)]
        found = {guest.name: changes for guest in known if (changes := _changes(run, guest, wanted))}
        with suppress(*EXPECTED_ERRORS, TaskFailedError):
            shell = session(task).shell
            assert isinstance(shell, NodeShell)  # noqa: S101  # the stage runs on hypervisors
            plain = outside(run, found)
            with ThreadPoolExecutor(1) as beside:
                making = beside.submit(plain.make, shell)
                _apply(run, shell, found, scripted(run, _but(found, plain.hosts)))
            done = making.result()
            for name in done:
                run.session(name).ran(found[name], (), Completed(0, "@done", ""))
            _apply(run, shell, found, scripted(run, _but(found, found.keys() - (plain.hosts - done))))
    return result(task, [])


def _but(found: Found, others: AbstractSet[str]) -> Found:
    return {name: changes for name, changes in found.items() if name not in others}


def _apply(run: Run, shell: NodeShell, found: Found, made: Found) -> None:
    vmids = {guest.name: guest.vmid for guest in run.estate.guests}
    made = {name: [change for change in changes if change.script] for name, changes in made.items()}
    scripts = {vmids[name]: apply_script(changes) for name, changes in made.items()}
    done = run_in_containers(shell, scripts, APPLY_SECONDS)
    for name, changes in made.items():
        if vmids[name] in done:
            run.session(name).ran(found[name], changes, done[vmids[name]])


def _is_known(run: Run, guest: Guest, node: str, wanted: Resources) -> bool:
    here = guest.kind == "lxc" and guest.hypervisor == node and guest.name in run.targets
    return here and run.is_running(guest.vmid) and run.session(guest.name).knows(wanted(run, guest.name))


def _changes(run: Run, guest: Guest, wanted: Resources) -> list[Change]:
    """What is to be changed; nothing where that cannot be said, or where something must be uploaded first."""
    resources = wanted(run, guest.name)
    seen = run.session(guest.name).observe(resources)
    try:
        changes = [change for resource in resources for change in resource.changes(seen)]
    except TaskFailedError:
        return []
    return [] if any(change.upload for change in changes) else changes
