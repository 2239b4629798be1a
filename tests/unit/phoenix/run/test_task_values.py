"""Tasks as values: a dry run returns the plan, a deployment applies it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from phoenix.connections.ssh import Completed
from phoenix.converge import AppliedAhead, ApplyError, Change, File, Outcome, Plan
from phoenix.errors import TaskFailedError
from phoenix.estate import Guest
from phoenix.run import ChangesByHost, Converge, Planned, Run
from tests.support.converged import SimulatedHost
from tests.support.estates import estate, guest
from tests.support.nornir_tasks import on_host
from tests.support.runs import planning_run
from tests.support.sessions import SimulatedSession

SMALL = estate(guest("app", 20, "lxc"))
WANTED = (File("/a", "a\n"), File("/b", "b\n"))
TITLES = ["create file /a", "create file /b"]


def resources(run: Run, host: Guest) -> tuple[File, ...]:
    """Derive two files on the guest."""
    assert (run.estate, host) == (SMALL, SMALL.guest("app"))
    return WANTED


def scripted(run: Run, changes: ChangesByHost) -> ChangesByHost:
    """Add a script to each change that can be written only at the time of application."""
    assert run.estate is SMALL
    return {name: [replace(change, script=f"token for {name}") for change in own] for name, own in changes.items()}


def no_root(_run: Run, host: Guest) -> str:
    """Return the reason why this host must wait."""
    return f"{host.name} waits for the CA"


PLAIN: Converge[Guest] = Converge("write_files", resources)
COMPLETED: Converge[Guest] = Converge("write_files", resources, complete=scripted)
BLOCKED: Converge[Guest] = Converge("write_files", resources, blocked=no_root)


class Bench:
    """A run with one simulated guest."""

    def __init__(self, host: SimulatedHost | None = None, failure: Exception | None = None) -> None:
        self.session = SimulatedSession("app", host or SimulatedHost(), failure)
        self.run = planning_run(SMALL)
        self.run._sessions["app"] = self.session

    def take(
        self, task: Converge[Guest] | Planned[Guest, Plan], *, dry_run: bool = False, override: bool | None = None
    ) -> Outcome:
        """Run a task on the guest."""
        return task(on_host("app", dry_run=dry_run), self.run, dry_run=override)


def titles(outcome: Outcome) -> list[str]:
    """List the verbs and resources of an outcome."""
    return [f"{change.verb} {change.resource}" for change in outcome.changes]


def test_name() -> None:
    """A task's value has the name that its record shows."""
    assert PLAIN.__name__ == "write_files"
    assert Planned("other", lambda _run, _host: Plan(), lambda _run, _host, plan: plan).__name__ == "other"


@pytest.mark.parametrize(
    ("dry_run", "override", "applies"),
    [(False, None, True), (True, None, False), (True, False, True), (False, True, False)],
)
def test_dry_run(dry_run: bool, override: bool | None, applies: bool) -> None:  # noqa: FBT001  # columns of the table
    """A dry run and a deployment return the same changes; only the deployment applies them."""
    bench = Bench()
    outcome = bench.take(PLAIN, dry_run=dry_run, override=override)
    assert titles(outcome) == TITLES
    assert outcome.changed
    assert [len(changes) for changes in bench.session.applied] == [2] * applies


def test_converged_host() -> None:
    """A converged host is observed and not changed."""
    bench = Bench(SimulatedHost().converge(WANTED))
    outcome = bench.take(PLAIN)
    assert (titles(outcome), outcome.changed, bench.session.applied) == ([], False, [])
    assert len(bench.session.asked) == 1


def test_completed_at_application() -> None:
    """Scripts are completed at the time of application only, and the outcome has the planned changes."""
    bench = Bench()
    outcome = bench.take(COMPLETED)
    assert {change.script for change in bench.session.applied[0]} == {"token for app"}
    assert not any("token" in change.script for change in outcome.changes)
    rehearsed = Bench()
    assert titles(rehearsed.take(COMPLETED, dry_run=True)) == TITLES
    assert rehearsed.session.applied == []


def test_blocked() -> None:
    """A task that must wait fails with the reason before it observes; a dry run shows what it would change."""
    bench = Bench()
    with pytest.raises(TaskFailedError, match="app waits for the CA"):
        bench.take(BLOCKED)
    assert bench.session.asked == []
    assert titles(bench.take(BLOCKED, dry_run=True)) == TITLES


def test_failed_application() -> None:
    """The error of an application names its change and is passed on."""
    with pytest.raises(ApplyError, match="disk is full"):
        Bench(failure=ApplyError("create file /a failed: disk is full")).take(PLAIN)


def test_applied_ahead() -> None:
    """Changes that were applied together with those of other hosts are the outcome; the host is not observed again."""
    bench = Bench()
    change = Change("file /a", "create", script="put")
    bench.session.add_applied("write_files", AppliedAhead((change,), (change,), Completed(0, "@done", "")))
    assert bench.take(PLAIN).changes == (change,)
    assert bench.session.asked == []
    assert titles(bench.take(PLAIN)) == TITLES


def test_failed_ahead() -> None:
    """A failure of changes that were applied ahead is this task's failure."""
    bench = Bench()
    change = Change("file /a", "create", script="put")
    bench.session.add_applied("write_files", AppliedAhead((change,), (change,), Completed(90, "@step|0\n", "no room")))
    with pytest.raises(ApplyError, match="create file /a failed: no room"):
        bench.take(PLAIN)


def test_guards_are_left_out() -> None:
    """Guards are not part of the outcome."""
    guard = Change("unit x", "reload", guard=True)
    task: Planned[Guest, Plan] = Planned("reload", lambda _run, _host: Plan((guard,)), lambda _run, _host, plan: plan)
    outcome = Bench().take(task)
    assert (outcome.changes, outcome.changed) == ((), False)


@dataclass(frozen=True)
class SizePlan(Plan):
    """A plan with a value of its own."""

    size: int = 0


RESIZE, RESTART = Change("guest 120 app", "update"), Change("guest 120 app", "restart")


class Sizes:
    """A task of two functions that records the plans it applied."""

    def __init__(self, *changes: Change) -> None:
        self.applied: list[int] = []
        self._changes = changes
        self.task: Planned[Guest, SizePlan] = Planned("resize", self.plan, self.apply)

    def plan(self, run: Run, host: Guest) -> SizePlan:
        """Plan with a note."""
        assert (run.estate, host) == (SMALL, SMALL.guest("app"))
        return SizePlan(self._changes, ("a note of the plan",), size=7)

    def apply(self, _run: Run, _host: Guest, plan: SizePlan) -> Plan:
        """Apply the plan and add a restart."""
        self.applied.append(plan.size)
        return Plan((*plan.changes, RESTART), ("a note of the application",))


@pytest.mark.parametrize(
    ("dry_run", "changes", "expected", "notes", "applied"),
    [
        (False, (RESIZE,), (RESIZE, RESTART), ("a note of the application",), [7]),
        (True, (RESIZE,), (RESIZE,), ("a note of the plan",), []),
        (False, (), (), ("a note of the plan",), []),
    ],
)
def test_planned(  # one sentence of a table
    dry_run: bool,  # noqa: FBT001  # a column of the table
    changes: tuple[Change, ...],
    expected: tuple[Change, ...],
    notes: tuple[str, ...],
    applied: list[int],
) -> None:
    """A plan with changes is applied with its own fields, and the outcome is that of the application."""
    sizes = Sizes(*changes)
    outcome = sizes.task(on_host("app", dry_run=dry_run), planning_run(SMALL))
    assert (outcome.changes, outcome.notes, sizes.applied) == (expected, notes, applied)
