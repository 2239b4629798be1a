"""Whether lifetimes of certificates can work: an issuer outlives what it signs, renewal comes before the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from phoenix.estate.document import Location
from phoenix.estate.duration import spell_duration
from phoenix.estate.model import MIN_LIFETIME, Estate, Validity
from phoenix.estate.problems import Found, Problem
from phoenix.estate.sources import Sources

MAX_MESH_LIFETIME = timedelta(days=100)
"""Above it, Traefik could not be made to renew early (it looks at most 120 days ahead) when the authority changes."""


def lifetimes(estate: Estate, sources: Sources) -> Found:
    """Root, intermediate and leaves each outlive what they sign, and every renewal comes between issue and end."""
    ca = estate.settings.ca
    if ca.intermediate >= ca.root:
        message = f"an intermediate of {spell_duration(ca.intermediate)} would outlive its root"
        yield sources.setting(("ca", "intermediate"), f"{message} of {spell_duration(ca.root)}: make it shorter")
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
        message = f"renewal {spell_duration(before)} before the end is never, with {spell_duration(lifetime)} to live"
        yield "renew_before", f"{message}: make it shorter"


def _unsigned(lifetime: timedelta, estate: Estate) -> Iterator[str]:
    """Why the authority would not sign a certificate of this lifetime."""
    intermediate = estate.settings.ca.intermediate
    if lifetime < MIN_LIFETIME:
        yield f"the authority signs nothing that lives less than {spell_duration(MIN_LIFETIME)}"
    if lifetime >= intermediate:
        yield f"{spell_duration(lifetime)} would outlive the intermediate of {spell_duration(intermediate)}"


def _mesh(estate: Estate, sources: Sources) -> Iterator[Problem]:
    mesh = estate.settings.ca.mesh
    problems = list(_unsigned(mesh.lifetime, estate))
    if mesh.before >= mesh.lifetime:
        renews = f"Traefik renews certificates of {spell_duration(mesh.lifetime)} {spell_duration(mesh.before)}"
        problems.append(f"{renews} before their end, which is at once and always: make them live longer")
    if mesh.lifetime > MAX_MESH_LIFETIME:
        problems.append(f"the mesh's certificates may live at most {spell_duration(MAX_MESH_LIFETIME)}")
    yield from (sources.setting(("ca", "mesh", "lifetime"), problem) for problem in problems)
