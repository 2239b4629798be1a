"""Checks across DNS names: owners, zones, and the domains whose names are forwarded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from phoenix.estate.document import Location
from phoenix.estate.domains import domain_of
from phoenix.estate.key_locations import Sources
from phoenix.estate.model import Estate, Guest
from phoenix.estate.problems import Problem, Problems


def names(estate: Estate, sources: Sources) -> Problems:
    """Check that names belong to one host and to a declared zone, and that service names are unique."""
    owners: dict[str, str] = {}
    for host, name, path in _claims(estate):
        if owners.setdefault(name, host) != host:
            owner = owners[name] or "a record of the zone"
            yield _problem(sources, host, path, f"the name {name} already belongs to {owner}")
        if domain_of(name, estate.zones) is None:
            message = f"{name} is in no declared zone ({', '.join(estate.zones)}); add its zone to alias_zones"
            yield _problem(sources, host, path, message)
    known = Counter(name for guest in estate.guests for name in guest.services)
    for guest in estate.guests:
        for name in guest.services:
            if known[name] > 1:
                yield sources.problem(guest.name, ("services", name), f"{known[name]} guests have a service {name!r}")


def forwards(estate: Estate, sources: Sources) -> Problems:
    """Check that forwarded domains are in a zone of the estate and are not names that the estate itself declares."""
    owners = {name: host for host, name, _ in _claims(estate)}
    for domain in estate.settings.forward:
        if domain_of(domain, estate.zones) is None:
            message = f"{domain} is in no declared zone, so its names are forwarded already: remove it"
            yield sources.setting(("forward", domain), message)
        elif domain in owners:
            owner = owners[domain] or "a record of the zone"
            message = f"the name {domain} belongs to {owner}, so it cannot be forwarded: forward names below it"
            yield sources.setting(("forward", domain), message)


def _problem(sources: Sources, host: str, path: Location, message: str) -> Problem:
    return sources.problem(host, path, message) if host else sources.setting(path, message)


def _claims(estate: Estate) -> Iterator[tuple[str, str, Location]]:
    """Yield every name with the host, or an empty string for the whole estate, and the key that declare it."""
    for hypervisor in estate.hypervisors:
        yield hypervisor.name, estate.fqdn(hypervisor.node), ("node",)
    for guest in estate.guests:
        for name, path in _claimed(estate, guest):
            yield guest.name, name, path
    for label in estate.settings.records:
        yield "", estate.record_name(label), ("records", label)


def _claimed(estate: Estate, guest: Guest) -> Iterator[tuple[str, Location]]:
    yield estate.fqdn(guest.name), ()
    if guest.has("step_ca"):
        yield estate.fqdn("ca"), ()
    for label in guest.aliases:
        yield estate.fqdn(label), ("aliases",)
    for label in guest.records:
        yield estate.record_name(label), ("records", label)
    for name, service in guest.services.items():
        yield estate.fqdn(name), ("services", name)
        for alias in service.aliases:
            yield alias, ("services", name, "aliases")
