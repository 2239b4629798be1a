"""Selectors: functions from the estate to the hosts of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from phoenix.estate import Estate, Guest, Hypervisor, Template

AnyHost = Hypervisor | Guest | Template
HostT_co = TypeVar("HostT_co", bound=AnyHost, covariant=True)
Selector = Callable[[Estate], tuple[HostT_co, ...]]


def hypervisors(estate: Estate) -> tuple[Hypervisor, ...]:
    """Select every hypervisor."""
    return estate.hypervisors


def guests(estate: Estate) -> tuple[Guest, ...]:
    """Select every guest; templates are not guests."""
    return estate.guests


def everyone(estate: Estate) -> tuple[Hypervisor | Guest, ...]:
    """Select every hypervisor and every guest."""
    return estate.live()


def group(*names: str) -> Selector[Hypervisor | Guest]:
    """Select the hypervisors and guests that are in any of the groups."""
    return lambda estate: tuple(host for host in estate.live() if any(map(host.has, names)))


def guests_in(*names: str) -> Selector[Guest]:
    """Select the guests that are in any of the groups."""
    return lambda estate: tuple(guest for guest in estate.guests if any(map(guest.has, names)))
