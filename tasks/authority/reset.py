"""Giving up an authority: its state is archived, never wiped, and the deployment that follows makes another one."""

from __future__ import annotations

from datetime import UTC, datetime

from nornir.core.task import Result, Task

from phoenix.converge import Change
from phoenix.derive.authority import STATE
from phoenix.run import Run
from phoenix.tasks.authority.state import CaStateProbes, seen_state
from phoenix.tasks.support.converging import result, session


def reset_authority(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Mark the state as given up; what brings up the authority archives it first, in this run or in the next."""
    state = seen_state(session(task).observe([CaStateProbes()]))
    if state.absent or state.begun:
        return result(task, [])
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    mark = (
        f"printf %s {stamp} >{STATE}/.reset.new && sync {STATE}/.reset.new && mv -fT {STATE}/.reset.new {STATE}/.reset"
    )
    changes = [Change(f"authority in {STATE}", "remove", f"archived in {STATE}/archive-{stamp}", script=mark)]
    if not task.is_dry_run(dry_run):
        session(task).apply(changes)
        run.authority = None
    return result(task, changes)
