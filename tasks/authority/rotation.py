"""Rotate root and intermediate: each task takes the CA one step further, if that step is the next one.

The progress is read from the authority's own files (phoenix/pki/ca/rotation.py): the same command continues after an
interruption at any point, and a deployment in between does not change it.
"""

from __future__ import annotations

from collections.abc import Callable

from nornir.core.task import Task

from phoenix.conventions import CA_STATE
from phoenix.converge import Change, ManagedGlob, Outcome
from phoenix.errors import TaskFailedError
from phoenix.estate.duration import format_duration
from phoenix.pki.ca.config import SETTLED, Signing
from phoenix.pki.ca.rotation import (
    RotationPhase,
    RotationTarget,
    next_signing,
    phase,
    previous_signing,
    rotation_target,
)
from phoenix.pki.sealed import public_half
from phoenix.run import Run, TaskFunction
from phoenix.tasks.authority.service import learn, service_resources, template_values
from phoenix.tasks.authority.state import USER, ValidCaState, look
from phoenix.templating import shell_program

ENDED = ManagedGlob(f"{CA_STATE}/.done", ())
"""The next set on its way out after it has become the usual one: the last remnant of a rotation."""
SigningRule = Callable[[RotationTarget | None, RotationPhase], Signing | None]


def prepare_next(rotated: RotationTarget, root_key: str | None) -> TaskFunction:
    """Make the task that creates the next set; `root_key` is the PEM of a root's key that was taken offline."""

    def prepare_next(task: Task, run: Run) -> Outcome:
        """Create the next set, unless a rotation is under way; finish one that was interrupted in its last step."""
        if ended := ENDED.changes(run.session(task.host.name).observe([ENDED])):
            run.session(task.host.name).apply(ended)
            return Outcome(task.host, list(ended))
        found = look(run)
        begun = rotation_target(found.state, found.signs)
        if begun not in (None, rotated):
            way = f"run `phoenix rotate --{begun}` to finish it, with --back to revert it"
            raise TaskFailedError(f"a rotation of the {begun} is under way: {way}")
        if phase(found.state, found.signs) is not RotationPhase.IDLE:
            return Outcome(task.host)
        if root_key:
            _must_fit(found, root_key)
        elif rotated == "intermediate" and not found.state.root_is_online:
            raise TaskFailedError("the root's key is offline: name its sealed file with --root-key FILE")
        values = template_values(run.estate)
        script = shell_program("step_ca/next.sh", kind=rotated, root_key=root_key or "", **values)
        ca = run.estate.settings.ca
        life = format_duration(ca.root if rotated == "root" else ca.intermediate)
        made = [Change(f"next {rotated} in {CA_STATE}/next", "create", f"lives {life}", script=f"({script})")]
        run.session(task.host.name).apply(made)
        return Outcome(task.host, made)

    return prepare_next


def announce_next(task: Task, run: Run) -> Outcome:
    """Publish the next root beside the current one, so that every host trusts both."""
    return _step(task, run, next_signing, ("root", RotationPhase.PREPARED))


def switch_authority(task: Task, run: Run) -> Outcome:
    """Sign with the next set, once every host trusts it; restore the files if that fails."""
    _no_failures(run)
    rotated = target_now(run)
    due = RotationPhase.PREPARED if rotated == "intermediate" else RotationPhase.ANNOUNCED
    return _step(task, run, next_signing, (rotated, due))


def withdraw_previous(task: Task, run: Run) -> Outcome:
    """Publish the next root alone, once the old one is unused."""
    _no_failures(run)
    return _step(task, run, next_signing, ("root", RotationPhase.SWITCHED))


def settle_authority(task: Task, run: Run) -> Outcome:
    """Archive the old set and move the next one to the usual paths."""
    _no_failures(run)
    found = look(run)
    rotated, now = rotation_target(found.state, found.signs), phase(found.state, found.signs)
    changes: list[Change] = []
    if (rotated, now) in (("root", RotationPhase.WITHDRAWN), ("intermediate", RotationPhase.SWITCHED)):
        script = shell_program("step_ca/settle.sh", state=CA_STATE, user=USER)
        changes = [Change(f"old {rotated}", "remove", f"archived in {CA_STATE}/previous", script=f"({script})")]
        run.session(task.host.name).apply(changes)
        changes += _set(run, SETTLED)
    return Outcome(task.host, [*changes, *_drop_next(task, run, RotationPhase.TIDYING)])


def revert_authority(task: Task, run: Run) -> Outcome:
    """Sign with the old set again."""
    found = look(run)
    now = phase(found.state, found.signs)
    if now in (RotationPhase.WITHDRAWN, RotationPhase.TIDYING):
        way = "run the same command without --back to its end"
        raise TaskFailedError(f"the rotation can no longer be reverted, because {now.value}: {way}")
    return _step(task, run, previous_signing, (target_now(run), RotationPhase.SWITCHED))


def withdraw_next(task: Task, run: Run) -> Outcome:
    """Publish the old root alone, once the next one is unused."""
    _no_failures(run)
    return _step(task, run, previous_signing, ("root", RotationPhase.ANNOUNCED))


def remove_next(task: Task, run: Run) -> Outcome:
    """Remove the next set, once no host trusts it."""
    _no_failures(run)
    return Outcome(task.host, _drop_next(task, run, RotationPhase.PREPARED))


def target_now(run: Run) -> RotationTarget | None:
    """The key that is being rotated; None if none is."""
    found = look(run)
    return rotation_target(found.state, found.signs)


def _step(task: Task, run: Run, rule: SigningRule, due: tuple[RotationTarget | None, RotationPhase]) -> Outcome:
    """Take one step if the rotation is in the due phase; otherwise finish the last step."""
    found = look(run)
    stands = (rotation_target(found.state, found.signs), phase(found.state, found.signs))
    following = rule(*due) if stands == due else None
    return Outcome(task.host, _set(run, following or found.signs))


def _set(run: Run, signs: Signing) -> list[Change]:
    authority = run.estate.guest_with("step_ca")
    changes = run.session(authority.name).converge(service_resources(run, authority, signs))
    learn(run)
    return list(changes)


def _drop_next(task: Task, run: Run, due: RotationPhase) -> list[Change]:
    found = look(run)
    if phase(found.state, found.signs) is not due:
        return []
    gone = ENDED.pattern if due is RotationPhase.TIDYING else f"{CA_STATE}/.old"
    script = f"rm -rf {gone} && mv -T {CA_STATE}/next {gone} && rm -rf {gone}"
    changes = [Change(f"next set in {CA_STATE}/next", "remove", due.value, script=script)]
    run.session(task.host.name).apply(changes)
    return changes


def _must_fit(found: ValidCaState, root_key: str) -> None:
    if public_half(root_key) != found.state.root_public:
        raise TaskFailedError("the key of --root-key does not belong to the authority's root")


def _no_failures(run: Run) -> None:
    if run.failed:
        hosts = ", ".join(sorted(run.failed))
        mend = "correct that and run the same command again to resume; --back reverts the rotation"
        raise TaskFailedError(f"the rotation stops here, because {hosts} failed: {mend}")
