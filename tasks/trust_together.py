"""Changes of trust in all containers of a node at once; `push_trust` says of each how it went.

Where they are files and links only, the node makes them from outside; the others' scripts go over one channel.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from nornir.core.task import Result, Task

from phoenix.connections.fanout import run_in_containers
from phoenix.connections.shell import NodeShell
from phoenix.connections.ssh import Completed
from phoenix.converge import Change
from phoenix.converge.apply import apply_script
from phoenix.converge.session import APPLY_SECONDS
from phoenix.estate import Guest
from phoenix.run import Run
from tasks.converging import result, session
from tasks.trust import Trust, trust_of
from tasks.trust_on_node import change_on_node
from tasks.trust_store import SystemStore

Changes = dict[int, tuple[Guest, list[Change]]]


def push_together(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Serve all containers whose answer is known; where a host failed, each is served alone after it."""
    shell = session(task).shell
    assert isinstance(shell, NodeShell)  # noqa: S101  # the stage runs on hypervisors
    if not run.failed and not task.is_dry_run(dry_run):
        wanted = {guest.vmid: (guest, _changes(run, guest)) for guest in _known(run, task.host.name)}
        wanted = {vmid: (guest, changes) for vmid, (guest, changes) in wanted.items() if changes}
        plain = {vmid: words for vmid, (guest, _) in wanted.items() if (words := _plain(run, guest))}
        with ThreadPoolExecutor(1) as beside:
            inside = beside.submit(_inside, run, shell, {v: one for v, one in wanted.items() if v not in plain})
            done = _outside(run, shell, plain)
            inside.result()
        for vmid in done:
            guest, changes = wanted[vmid]
            run.session(guest.name).ran(apply_script(changes), Completed(0, "@done", ""))
        _inside(run, shell, {v: one for v, one in wanted.items() if v in plain.keys() - done})
    return result(task, [])


def _known(run: Run, node: str) -> list[Guest]:
    here = [guest for guest in run.estate.guests if guest.kind == "lxc" and guest.hypervisor == node]
    live = [guest for guest in here if guest.name in run.targets and run.is_running(guest.vmid)]
    return [guest for guest in live if run.session(guest.name).knows(trust_of(run, guest.name))]


def _changes(run: Run, guest: Guest) -> list[Change]:
    resources = trust_of(run, guest.name)
    seen = run.session(guest.name).observe(resources)
    return [change for resource in resources for change in resource.changes(seen) if change.script]


def _plain(run: Run, guest: Guest) -> tuple[str, ...]:
    """What a store's program must be told, if all that is to be done is plain."""
    folder, *others = trust_of(run, guest.name)
    trust = next((one for one in others if isinstance(one, Trust)), None)
    seen = run.session(guest.name).observe((folder, *others))
    if trust is None or len(others) > 1 or not trust.is_plain(seen):
        return ()
    wrong = any(change.verb != "create" for change in folder.changes(seen))
    return () if wrong else SystemStore(trust.bundle).words(seen)


def _outside(run: Run, shell: NodeShell, plain: dict[int, tuple[str, ...]]) -> set[int]:
    if not plain or run.authority is None:
        return set()
    return change_on_node(shell, Trust(run.authority.bundle).texts, plain)


def _inside(run: Run, shell: NodeShell, wanted: Changes) -> None:
    scripts = {vmid: apply_script(changes) for vmid, (_, changes) in wanted.items()}
    for vmid, done in run_in_containers(shell, scripts, APPLY_SECONDS).items():
        run.session(wanted[vmid][0].name).ran(scripts[vmid], done)
