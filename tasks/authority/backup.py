"""Back up and restore the CA's state: copied over the pinned connection, sealed on the controller."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path

from nornir.core.task import Task

from phoenix.cli.passphrase import write_sealed
from phoenix.conventions import CA_STATE, CA_UNIT, LOCK
from phoenix.converge import Change, File, Outcome
from phoenix.derive.authority import PUBLISHED_ISSUER
from phoenix.errors import TaskFailedError
from phoenix.pki.sealed import SealError
from phoenix.run import Run, TaskFunction
from phoenix.tasks.authority.state import USER, CaStateProbes, look, seen_state
from phoenix.templating import shell_program

BACKUP_SECONDS = 100.0
LAST = File(f"{CA_STATE}/{PUBLISHED_ISSUER}", "")
"""The last file that a new state publishes: if it is missing, creation or restore was interrupted near its end."""


def export_state(file: Path, passphrase: str) -> TaskFunction:
    """Make the task that writes the CA's whole state into a sealed file."""

    def export_state(task: Task, run: Run) -> Outcome:
        """Stop the CA, copy its state, start the CA, and seal the copy on the controller."""
        look(run)
        script = shell_program("step_ca/backup.sh", state=CA_STATE, unit=CA_UNIT, lock=LOCK)
        done = run.session(task.host.name).run(script, BACKUP_SECONDS)
        if done.status:
            raise TaskFailedError(f"the state could not be copied: {done.err.strip()[-300:]}")
        try:
            write_sealed(file, b64decode(done.out), passphrase)
        except (SealError, OSError) as error:
            raise TaskFailedError(f"the backup could not be written: {error}") from None
        return Outcome(task.host, [Change(f"backup {file}", "create", "the authority's whole state, sealed")])

    return export_state


def restore_state(content: bytes) -> TaskFunction:
    """Make the task that restores a backup into a CA guest without a state."""

    def restore_state(task: Task, run: Run) -> Outcome:
        """Unpack the backup beside the state and verify it; `init_ca` moves it into place."""
        host = run.session(task.host.name)
        seen = host.observe([CaStateProbes(), LAST])
        state = seen_state(seen)
        finished = not (state.absent or state.restoring or state.begun)
        if finished and seen.text(LAST.path) is not None:
            raise TaskFailedError(
                f"there is a state in {CA_STATE} on {task.host.name}, and a backup is never restored over one: "
                "move it away, or give it up by `phoenix deploy --reset-ca`"
            )
        if state.begun or finished:
            return Outcome(task.host)
        script = shell_program("step_ca/restore.sh", state=CA_STATE, user=USER, content=b64encode(content).decode())
        changes = [Change(f"authority in {CA_STATE}", "create", "from the backup", script=f"({script})")]
        host.apply(changes)
        return Outcome(task.host, changes)

    return restore_state
