"""Stages: what a runbook chains. All hosts of a stage finish it before the next begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix.estate import Estate

if TYPE_CHECKING:
    from nornir.core.task import Result

TaskFunction = Callable[..., "Result"]
Selector = Callable[[Estate], tuple[str, ...]]


@dataclass(frozen=True)
class Step:
    """A task and the hosts it is for; one that is `for_others` runs on hypervisors of targeted guests as well."""

    task: TaskFunction
    on: Selector
    for_others: bool = False

    def hosts(self, estate: Estate, targets: frozenset[str]) -> frozenset[str]:
        """Every host that takes this step in a run on the targets."""
        wanted = frozenset(self.on(estate))
        return wanted & (targets | carriers(estate, targets)) if self.for_others else wanted & targets


@dataclass(frozen=True)
class Stage:
    """Steps that a host takes one after the other, while all hosts take them at the same time."""

    name: str
    steps: tuple[Step, ...]

    def hosts(self, estate: Estate, targets: frozenset[str]) -> tuple[str, ...]:
        """Every host with a step in this stage, in the order of the inventory."""
        wanted = {name for step in self.steps for name in step.hosts(estate, targets)}
        return tuple(host.name for host in estate.hosts() if host.name in wanted)


def carriers(estate: Estate, targets: frozenset[str]) -> frozenset[str]:
    """The hypervisors that carry targeted guests."""
    machines = (*estate.guests, *estate.templates)
    return frozenset(machine.hypervisor for machine in machines if machine.name in targets)


def group(*names: str) -> Selector:
    """Hypervisors and guests of any of the groups."""
    return lambda estate: tuple(dict.fromkeys(host.name for name in names for host in estate.members(name)))


def hypervisors(estate: Estate) -> tuple[str, ...]:
    """Every hypervisor."""
    return tuple(host.name for host in estate.hypervisors)


def guests(estate: Estate) -> tuple[str, ...]:
    """Every guest that runs."""
    return tuple(guest.name for guest in estate.guests)


def everyone(estate: Estate) -> tuple[str, ...]:
    """Every hypervisor and guest."""
    return (*hypervisors(estate), *guests(estate))
