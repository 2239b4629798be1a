"""Rotation of root and intermediate: each task takes the authority one step further, if that step is the next one.

The progress is read from the authority's own files (phoenix/pki/ca/rotation.py): the same command continues after an
interruption at any point, and a deployment in between does not change it.
"""

from __future__ import annotations

from collections.abc import Callable

from nornir.core.task import Task

from phoenix.conventions import CA_STATE
from phoenix.converge import Change, ManagedGlob, Outcome
from phoenix.errors import TaskFailedError
from phoenix.estate.duration import spell_duration
from phoenix.pki.ca.config import SETTLED, Signing
from phoenix.pki.ca.rotation import Kind, Phase, ahead, back, kind, phase
from phoenix.pki.sealed import public_half
from phoenix.run import Run, TaskFunction
from phoenix.tasks.authority.service import learn, service_resources, template_values
from phoenix.tasks.authority.state import USER, Judged, look
from phoenix.templating import shell_program

ENDED = ManagedGlob(f"{CA_STATE}/.done", ())
"""The next set on its way out, when it has become the usual one: nothing else is left to be done then."""
Rule = Callable[[Kind | None, Phase], Signing | None]


def prepare_next(rotated: Kind, root_key: str | None) -> TaskFunction:
    """Give the task that makes the next set; `root_key` is the PEM of a root's key that was taken offline."""

    def prepare_next(task: Task, run: Run) -> Outcome:
        """Make the set that is to sign next, if no rotation has begun or was cut off with its last step."""
        if ended := ENDED.changes(run.session(task.host.name).observe([ENDED])):
            run.session(task.host.name).apply(ended)
            return Outcome(task.host, list(ended))
        found = look(run)
        begun = kind(found.state, found.signs)
        if begun not in (None, rotated):
            way = f"finish it by `runbooks/rotate.py --{begun}`, or take it back by adding --back"
            raise TaskFailedError(f"a rotation of the {begun} has begun: {way}")
        if phase(found.state, found.signs) is not Phase.IDLE:
            return Outcome(task.host)
        if root_key:
            _must_fit(found, root_key)
        elif rotated == "intermediate" and not found.state.root_is_online:
            raise TaskFailedError("the root's key is offline: give the file that it was taken to by --root-key FILE")
        values = template_values(run.estate)
        script = shell_program("step_ca/next.sh", kind=rotated, root_key=root_key or "", **values)
        life = spell_duration(run.estate.settings.ca.root if rotated == "root" else run.estate.settings.ca.intermediate)
        made = [Change(f"next {rotated} in {CA_STATE}/next", "create", f"lives {life}", script=f"({script})")]
        run.session(task.host.name).apply(made)
        return Outcome(task.host, made)

    return prepare_next


def announce_next(task: Task, run: Run) -> Outcome:
    """Publish the next root beside the present one, for every host to trust both."""
    return _step(task, run, ahead, ("root", Phase.PREPARED))


def switch_authority(task: Task, run: Run) -> Outcome:
    """Let the next set sign, once every host has shown that it trusts it; the files come back if that fails."""
    _no_failures(run)
    rotated = kind_now(run)
    return _step(task, run, ahead, (rotated, Phase.PREPARED if rotated == "intermediate" else Phase.ANNOUNCED))


def withdraw_previous(task: Task, run: Run) -> Outcome:
    """Publish the next root alone, once nothing depends on the old one."""
    _no_failures(run)
    return _step(task, run, ahead, ("root", Phase.SWITCHED))


def settle_authority(task: Task, run: Run) -> Outcome:
    """Archive the old set and put the next one on the usual places."""
    _no_failures(run)
    found = look(run)
    rotated, now = kind(found.state, found.signs), phase(found.state, found.signs)
    changes: list[Change] = []
    if (rotated, now) in (("root", Phase.WITHDRAWN), ("intermediate", Phase.SWITCHED)):
        script = shell_program("step_ca/settle.sh", state=CA_STATE, user=USER)
        changes = [Change(f"old {rotated}", "remove", f"archived in {CA_STATE}/previous", script=f"({script})")]
        run.session(task.host.name).apply(changes)
        changes += _set(run, SETTLED)
    return Outcome(task.host, [*changes, *_drop_next(task, run, Phase.TIDYING)])


def revert_authority(task: Task, run: Run) -> Outcome:
    """Let the old set sign again."""
    found = look(run)
    now = phase(found.state, found.signs)
    if now in (Phase.WITHDRAWN, Phase.TIDYING):
        way = "run the same command without --back to its end"
        raise TaskFailedError(f"there is no way back any more, for {now.value}: {way}")
    return _step(task, run, back, (kind_now(run), Phase.SWITCHED))


def withdraw_next(task: Task, run: Run) -> Outcome:
    """Publish the old root alone, once nothing depends on the next one."""
    _no_failures(run)
    return _step(task, run, back, ("root", Phase.ANNOUNCED))


def remove_next(task: Task, run: Run) -> Outcome:
    """Remove the next set, once no host trusts it."""
    _no_failures(run)
    return Outcome(task.host, _drop_next(task, run, Phase.PREPARED))


def kind_now(run: Run) -> Kind | None:
    """What is being rotated."""
    found = look(run)
    return kind(found.state, found.signs)


def _step(task: Task, run: Run, rule: Rule, due: tuple[Kind | None, Phase]) -> Outcome:
    """Take one step, if the rotation stands where it is due; else see that the last one came to its end."""
    found = look(run)
    stands = (kind(found.state, found.signs), phase(found.state, found.signs))
    following = rule(*due) if stands == due else None
    return Outcome(task.host, _set(run, following or found.signs))


def _set(run: Run, signs: Signing) -> list[Change]:
    authority = run.estate.guest_with("step_ca")
    changes = run.session(authority.name).converge(service_resources(run, authority, signs))
    learn(run)
    return list(changes)


def _drop_next(task: Task, run: Run, due: Phase) -> list[Change]:
    found = look(run)
    if phase(found.state, found.signs) is not due:
        return []
    gone = ENDED.pattern if due is Phase.TIDYING else f"{CA_STATE}/.old"
    script = f"rm -rf {gone} && mv -T {CA_STATE}/next {gone} && rm -rf {gone}"
    changes = [Change(f"next set in {CA_STATE}/next", "remove", due.value, script=script)]
    run.session(task.host.name).apply(changes)
    return changes


def _must_fit(found: Judged, root_key: str) -> None:
    if public_half(root_key) != found.state.root_public:
        raise TaskFailedError("the key of --root-key does not belong to the authority's root")


def _no_failures(run: Run) -> None:
    if run.failed:
        hosts = ", ".join(sorted(run.failed))
        mend = "mend that and run the same command again, which goes on from here; --back takes it back"
        raise TaskFailedError(f"the rotation stops here, because {hosts} failed: {mend}")
