"""Stages, of which a runbook is a chain: all hosts of a stage finish it before the next stage starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nornir.core.task import Task

from phoenix.converge import Outcome, Resource
from phoenix.estate import Estate
from phoenix.estate.target import hypervisors_of
from phoenix.run.context import Run
from phoenix.run.selectors import AnyHost, Selector, everyone
from phoenix.run.task_values import Converge

TaskFunction = Callable[..., Outcome]
Resources = Callable[[Run, Any], tuple[Resource, ...]]


@dataclass(frozen=True)
class Step:
    """A task and the hosts on which it runs.

    A step with `for_guests` also runs on the hypervisors of targeted guests. `compares` derives the resources that a
    task observes if the task is not a `Converge`.
    """

    task: TaskFunction
    on: Selector[AnyHost]
    for_guests: bool = False
    compares: Resources | None = None

    def hosts(self, estate: Estate, targets: frozenset[str]) -> frozenset[str]:
        """Name every host on which the step runs, in a run on the targets."""
        wanted = frozenset(host.name for host in self.on(estate))
        return wanted & (targets | hypervisors_of(estate, targets)) if self.for_guests else wanted & targets

    def resources(self, run: Run, host: AnyHost) -> tuple[Resource, ...]:
        """Derive the resources that the step compares on a host."""
        compares = self.task.resources if isinstance(self.task, Converge) else self.compares
        return compares(run, host) if compares else ()


@dataclass(frozen=True)
class Stage:
    """Steps that run in sequence on each host, and in parallel on all hosts."""

    name: str
    steps: tuple[Step, ...]

    def hosts(self, estate: Estate, targets: frozenset[str]) -> tuple[str, ...]:
        """Name every host with a step in this stage, in the order of the inventory."""
        wanted = {name for step in self.steps for name in step.hosts(estate, targets)}
        return tuple(host.name for host in estate.hosts() if host.name in wanted)


def observation(later: Sequence[Stage]) -> Stage:
    """Create the stage that observes on each host, in one round trip, all resources that the later stages compare."""

    def observe_host(task: Task, run: Run) -> Outcome:
        """Observe the host, without a change."""
        host, session = run.estate.host(task.host.name), run.session(task.host.name)
        steps = (step for stage in later for step in stage.steps if host.name in step.hosts(run.estate, run.targets))
        resources = tuple(resource for step in steps for resource in step.resources(run, host))
        session.expect(resources)
        session.observe(resources)
        return Outcome(task.host)

    return Stage("observation", (Step(observe_host, everyone),))
