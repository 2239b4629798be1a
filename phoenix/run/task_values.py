"""Tasks as values: the desired state of a host, or a plan and its application, callable as Nornir tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from nornir.core.task import Task

from phoenix.converge import Change, Outcome, Plan, Resource
from phoenix.errors import TaskFailedError
from phoenix.run.context import Run
from phoenix.run.selectors import AnyHost

HostT = TypeVar("HostT", bound=AnyHost)
PlanT = TypeVar("PlanT", bound=Plan)
ChangesByHost = Mapping[str, Sequence[Change]]
"""Changes by the name of their host, in the order of their application."""
Complete = Callable[[Run, ChangesByHost], ChangesByHost]


def unchanged(_run: Run, changes: ChangesByHost) -> ChangesByHost:
    """Apply changes as they were planned."""
    return changes


def never_blocked(_run: Run, _host: AnyHost) -> str:
    """Return no reason."""
    return ""


@dataclass(frozen=True)
class Converge(Generic[HostT]):
    """A Nornir task that brings a host to its desired state.

    `resources` derives the desired state. `complete` adds scripts to the planned changes that can be written only at
    the time of application, such as those with one-time tokens. `blocked` returns the reason why no change can be
    applied yet, or an empty string.
    """

    name: str
    resources: Callable[[Run, HostT], tuple[Resource, ...]]
    complete: Complete = unchanged
    blocked: Callable[[Run, HostT], str] = field(default=never_blocked)

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, task: Task, run: Run, *, dry_run: bool | None = None) -> Outcome:
        """Plan, and apply the plan unless this is a dry run."""
        host = cast("HostT", run.estate.host(task.host.name))
        applied = run.session(host.name).take_applied(self.name)
        if applied is not None:
            return Outcome(task.host, applied)
        rehearse = task.is_dry_run(dry_run)
        if not rehearse and (reason := self.blocked(run, host)):
            raise TaskFailedError(reason)
        plan = self.plan(run, host)
        if plan.changes and not rehearse:
            self.apply(run, host, plan)
        return Outcome(task.host, plan.changes, (*plan.notes, *run.session(host.name).take_notes()))

    def plan(self, run: Run, host: HostT) -> Plan:
        """Observe the host and compare it with its desired state."""
        return Plan(run.session(host.name).plan(self.resources(run, host)))

    def apply(self, run: Run, host: HostT, plan: Plan) -> None:
        """Apply the planned changes; ApplyError names the one that failed."""
        run.session(host.name).apply(self.complete(run, {host.name: plan.changes})[host.name])


@dataclass(frozen=True)
class Planned(Generic[HostT, PlanT]):
    """A Nornir task of two functions: `plan` observes and decides, `apply` makes the changes and returns them."""

    name: str
    plan: Callable[[Run, HostT], PlanT]
    apply: Callable[[Run, HostT, PlanT], Plan]

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, task: Task, run: Run, *, dry_run: bool | None = None) -> Outcome:
        """Plan, and apply the plan unless this is a dry run."""
        host = cast("HostT", run.estate.host(task.host.name))
        plan: Plan = self.plan(run, host)
        if plan.changes and not task.is_dry_run(dry_run):
            plan = self.apply(run, host, cast("PlanT", plan))
        return Outcome(task.host, plan.changes, plan.notes)
