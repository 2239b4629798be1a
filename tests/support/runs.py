"""Runs for tests of planning: an estate, perhaps with one host edited, and what is known of it; no connections."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from phoenix.artifacts.store import Artifact
from phoenix.derive.ownership import owner_tag
from phoenix.estate import Estate, Guest, Hypervisor, Machine
from phoenix.estate.model import Host
from phoenix.pki.bundle import SeenAuthority
from phoenix.run import Run

HostT = TypeVar("HostT", bound=Host)
ARTIFACTS = {
    name: Artifact(name, "1.0", Path(name), Path(f"{name}.gz"), sha256=digit * 64, size=1000, source="test")
    for name, digit in (("step", "1"), ("step-ca", "2"), ("traefik", "3"))
}


def planning_run(
    estate: Estate,
    authority: SeenAuthority | None = None,
    targets: frozenset[str] | None = None,
    artifacts: Mapping[str, Artifact] = ARTIFACTS,
    links: Any = None,
) -> Run:
    """A run on an estate; on all of its hosts unless targets are given."""
    names = frozenset(host.name for host in estate.hosts()) if targets is None else targets
    return Run(estate, links, names, artifacts, known_authority=authority)


def exists(run: Run, machine: Machine, status: str) -> None:
    """Let a run know a machine of its estate, with this status."""
    run.guests.note(machine, status)
    run.guests.claim(machine.vmid, owner_tag(run.estate, machine.vmid))


def with_host(estate: Estate, name: str, **update: Any) -> Estate:
    """The estate with other values of one host."""
    return _estate(
        estate,
        tuple(_edited(one, name, update) for one in estate.hypervisors),
        tuple(_edited(one, name, update) for one in estate.guests),
    )


def without_guest(estate: Estate, name: str) -> Estate:
    """The estate without one guest."""
    return _estate(estate, estate.hypervisors, tuple(guest for guest in estate.guests if guest.name != name))


def without_group(estate: Estate, name: str, group: str) -> Estate:
    """The estate with a host that is no longer a member of a group."""
    groups = tuple(one for one in estate.host(name).groups if one != group)
    return with_host(estate, name, groups=groups)


def _edited(host: HostT, name: str, update: Mapping[str, Any]) -> HostT:
    return host.model_copy(update=update) if host.name == name else host


def _estate(estate: Estate, hypervisors: tuple[Hypervisor, ...], guests: tuple[Guest, ...]) -> Estate:
    """A new estate: a copy would keep what the old one has derived."""
    return Estate(settings=estate.settings, hypervisors=hypervisors, guests=guests, templates=estate.templates)
