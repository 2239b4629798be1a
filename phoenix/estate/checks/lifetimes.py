"""Checks of certificate lifetimes: an issuer outlives what it signs, and renewal precedes expiry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from phoenix.estate.document import Location
from phoenix.estate.duration import format_duration
from phoenix.estate.key_locations import Sources
from phoenix.estate.model import MIN_LIFETIME, Estate, Validity
from phoenix.estate.problems import Problem, Problems

MAX_MESH_LIFETIME = timedelta(days=100)
"""With a longer lifetime, Traefik could not renew early (at most 120 days before expiry) when the CA changes."""


def lifetimes(estate: Estate, sources: Sources) -> Problems:
    """Check that root and intermediate outlive what they sign, and that each renewal is between issue and expiry."""
    ca = estate.settings.ca
    if ca.intermediate >= ca.root:
        message = f"an intermediate of {format_duration(ca.intermediate)} would outlive its root"
        yield sources.setting(("ca", "intermediate"), f"{message} of {format_duration(ca.root)}: make it shorter")
    for path, validity in (("leaf", ca.leaf), ("edge", ca.edge)):
        if validity:
            yield from (sources.setting(("ca", path, key), message) for key, message in _wrong(validity, estate))
    for guest in estate.guests:
        for name, service in guest.services.items():
            if service.certificate:
                where: Location = ("services", name, "certificate")
                for key, message in _wrong(service.certificate, estate):
                    yield sources.problem(guest.name, (*where, key), message)
    yield from _mesh(estate, sources)


def _wrong(validity: Validity, estate: Estate) -> Iterator[tuple[str, str]]:
    lifetime, before = validity.lifetime, validity.before
    yield from (("lifetime", message) for message in _unsigned(lifetime, estate))
    if before >= lifetime:
        message = f"{format_duration(before)} before expiry is not within the lifetime of {format_duration(lifetime)}"
        yield "renew_before", f"{message}: make it shorter"


def _unsigned(lifetime: timedelta, estate: Estate) -> Iterator[str]:
    """Explain why the CA would not sign a certificate of this lifetime."""
    intermediate = estate.settings.ca.intermediate
    if lifetime < MIN_LIFETIME:
        yield f"the CA signs no certificate with a lifetime below {format_duration(MIN_LIFETIME)}: make it longer"
    if lifetime >= intermediate:
        message = f"{format_duration(lifetime)} would outlive the intermediate of {format_duration(intermediate)}"
        yield f"{message}: make it shorter"


def _mesh(estate: Estate, sources: Sources) -> Iterator[Problem]:
    mesh = estate.settings.ca.mesh
    problems = list(_unsigned(mesh.lifetime, estate))
    if mesh.before >= mesh.lifetime:
        lifetime, before = format_duration(mesh.lifetime), format_duration(mesh.before)
        message = f"Traefik renews certificates with a lifetime of {lifetime} {before} before expiry"
        problems.append(f"{message}, and therefore always: make it longer")
    if mesh.lifetime > MAX_MESH_LIFETIME:
        limit = format_duration(MAX_MESH_LIFETIME)
        problems.append(f"the lifetime of the mesh's certificates is at most {limit}: make it shorter")
    yield from (sources.setting(("ca", "mesh", "lifetime"), problem) for problem in problems)
