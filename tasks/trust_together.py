"""Changes of trust in all containers of a node at once, over one channel; `push_trust` says of each how it went."""

from __future__ import annotations

from nornir.core.task import Result, Task

from phoenix.connections.fanout import run_in_containers
from phoenix.connections.shell import NodeShell
from phoenix.converge.apply import apply_script
from phoenix.converge.session import APPLY_SECONDS
from phoenix.estate import Guest
from phoenix.run import Run
from tasks.converging import result, session
from tasks.trust import trust_of


def push_together(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Run the scripts of all containers whose answer is known; where a host failed, each is served alone after it."""
    shell = session(task).shell
    assert isinstance(shell, NodeShell)  # noqa: S101  # the stage runs on hypervisors
    if not run.failed and not task.is_dry_run(dry_run):
        known = [guest for guest in run.estate.guests if _is_known(run, guest, task.host.name)]
        scripts = {guest.vmid: script for guest in known if (script := _script(run, guest))}
        done = run_in_containers(shell, scripts, APPLY_SECONDS)
        for guest in known:
            if guest.vmid in done:
                run.session(guest.name).ran(scripts[guest.vmid], done[guest.vmid])
    return result(task, [])


def _is_known(run: Run, guest: Guest, node: str) -> bool:
    here = guest.kind == "lxc" and guest.hypervisor == node and guest.name in run.targets
    return here and run.is_running(guest.vmid) and run.session(guest.name).knows(trust_of(run, guest.name))


def _script(run: Run, guest: Guest) -> str:
    resources = trust_of(run, guest.name)
    seen = run.session(guest.name).observe(resources)
    changes = [change for resource in resources for change in resource.changes(seen) if change.script]
    return apply_script(changes) if changes else ""
