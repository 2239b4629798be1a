"""Checks across hosts, services and settings: mistakes that the validation of a single value cannot find."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from phoenix.estate.checks.features import features
from phoenix.estate.checks.lifetimes import lifetimes
from phoenix.estate.checks.machines import addresses, cycles, identity, origins, references, resolvers, roles
from phoenix.estate.checks.names import forwards, names
from phoenix.estate.checks.services import containers, services
from phoenix.estate.checks.settings import settings
from phoenix.estate.key_locations import Sources
from phoenix.estate.model import Estate
from phoenix.estate.problems import Problem, Problems


def contradictions(estate: Estate, sources: Sources, broken: Iterable[str] = ()) -> list[Problem]:
    """Find every contradiction; `broken` names hosts of the inventory that could not be loaded."""
    exists = {host.name for host in estate.hosts()} | set(broken)
    checks: tuple[Callable[[], Problems], ...] = (
        lambda: roles(estate, sources, incomplete=bool(broken)),
        lambda: identity(estate, sources),
        lambda: addresses(estate, sources),
        lambda: resolvers(estate, sources),
        lambda: references(estate, sources, exists),
        lambda: origins(estate, sources, exists),
        lambda: cycles(estate, sources),
        lambda: features(estate, sources),
        lambda: names(estate, sources),
        lambda: forwards(estate, sources),
        lambda: services(estate, sources, exists),
        lambda: containers(estate, sources),
        lambda: settings(estate, sources),
        lambda: lifetimes(estate, sources),
    )
    return [problem for check in checks for problem in check()]
