"""Stages: what a runbook chains. All hosts of a stage finish it before the next begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nornir.core.task import Result

from phoenix.estate import Estate

TaskFunction = Callable[..., Result]
Selector = Callable[[Estate], tuple[str, ...]]


@dataclass(frozen=True)
class Step:
    """A task and the hosts it is for."""

    task: TaskFunction
    on: Selector


@dataclass(frozen=True)
class Stage:
    """Steps that a host takes one after the other, while all hosts take them at the same time."""

    name: str
    steps: tuple[Step, ...]

    def hosts(self, estate: Estate) -> tuple[str, ...]:
        """Every host with a step in this stage, in the order of the inventory."""
        wanted = {name for step in self.steps for name in step.on(estate)}
        return tuple(host.name for host in estate.hosts() if host.name in wanted)


def group(*names: str) -> Selector:
    """Hypervisors and guests of any of the groups."""
    return lambda estate: tuple(dict.fromkeys(host.name for name in names for host in estate.members(name)))


def hypervisors(estate: Estate) -> tuple[str, ...]:
    """Every hypervisor."""
    return tuple(host.name for host in estate.hypervisors)


def guests(estate: Estate) -> tuple[str, ...]:
    """Every guest that runs."""
    return tuple(guest.name for guest in estate.guests)


def every_guest(estate: Estate) -> tuple[str, ...]:
    """Every guest and template, templates first."""
    return (*(template.name for template in estate.templates), *guests(estate))
