"""Take the root's key offline into a sealed file of the operator, and put it back."""

from __future__ import annotations

from pathlib import Path

from nornir.core.task import Task

from phoenix.cli.passphrase import write_sealed
from phoenix.conventions import CA_STATE
from phoenix.converge import Change, HostSession, Outcome
from phoenix.errors import TaskFailedError
from phoenix.pki.ca.rotation import RotationPhase, phase
from phoenix.pki.ca.state import ROOT_KEY
from phoenix.pki.sealed import SealError, public_half, unseal
from phoenix.run import Run, TaskFunction
from phoenix.tasks.authority.state import USER, ValidCaState, look
from phoenix.templating import shell_program

KEY = f"{CA_STATE}/{ROOT_KEY}"
PASSWORD = f"{CA_STATE}/secrets/password"


def take_root_offline(file: Path, passphrase: str) -> TaskFunction:
    """Make the task that moves the root's key into a sealed file."""

    def remove_root_key(task: Task, run: Run) -> Outcome:
        """Seal the key into the file, read the file back, then remove the key and prove that no copy is left."""
        host, found = run.session(task.host.name), look(run)
        if phase(found.state, found.signs) is not RotationPhase.IDLE:
            raise TaskFailedError("a rotation is under way: finish or revert it with `phoenix rotate` first")
        changes = []
        if found.state.root_is_online:
            try:
                _export(host, found, file, passphrase)
            except (SealError, OSError) as error:
                raise TaskFailedError(f"the key could not be taken to {file}: {error}") from None
            changes = [Change(f"key of the root in {KEY}", "remove", f"taken to {file}", script=f"rm -f {KEY}")]
            host.apply(changes)
        proof = shell_program("step_ca/find-root-key.sh", state=CA_STATE, public=found.state.root_public)
        left = host.run(proof, 60)
        if left.status or left.out.strip():
            where = ", ".join(sorted(set(left.out.split()))) or left.err.strip()
            raise TaskFailedError(f"the root's key is still on the authority, in {CA_STATE}: {where}")
        return Outcome(task.host, changes)

    return remove_root_key


def bring_root_online(root_key: str) -> TaskFunction:
    """Make the task that puts the root's key back, encrypted with the CA's own password."""

    def restore_root_key(task: Task, run: Run) -> Outcome:
        """Write the key to its place, if it belongs to the root."""
        found = look(run)
        if public_half(root_key) != found.state.root_public:
            raise TaskFailedError("the key in the file does not belong to the authority's root")
        if found.state.root_is_online:
            return Outcome(task.host)
        values = {"root_key": root_key, "file": KEY, "password": PASSWORD, "user": USER}
        script = shell_program("step_ca/put-root-key.sh", **values)
        changes = [Change(f"key of the root in {KEY}", "create", "from the file", script=f"({script})")]
        run.session(task.host.name).apply(changes)
        return Outcome(task.host, changes)

    return restore_root_key


def _export(host: HostSession, found: ValidCaState, file: Path, passphrase: str) -> None:
    """Write the sealed file; a file from an interrupted run must hold the same key."""
    if file.exists():
        if public_half(unseal(file.read_bytes(), passphrase).decode()) != found.state.root_public:
            raise TaskFailedError(f"{file} holds another key: name another file")
        return
    read = host.run(f"openssl pkey -in {KEY} -passin file:{PASSWORD}")
    if read.status or public_half(read.out) != found.state.root_public:
        raise TaskFailedError(f"{KEY} cannot be read, or is not the root's key: {read.err.strip()[-200:]}")
    write_sealed(file, read.out.encode(), passphrase)
