"""Which hosts a run is about: names, ids, groups, tags and `key=value`, alone or together."""

from __future__ import annotations

from collections.abc import Iterable

from phoenix.errors import PhoenixError
from phoenix.estate.model import Estate, Guest, Host, Hypervisor, Machine, Template
from phoenix.estate.problems import nearest

FIELDS = (
    "vmid",
    "kind",
    "hypervisor",
    "node",
    "address",
    "workload",
    "storage",
    "memory",
    "cores",
    "unprivileged",
)


class TargetError(PhoenixError):
    """A target expression that names nothing of the estate, with what it could have meant."""


def select(estate: Estate, expressions: Iterable[str]) -> frozenset[str]:
    """Choose hosts by expressions; none means all.

    An expression is a list of terms joined by `,` (any of them) whose parts are joined by `&` (all of them). A part is
    a host's name, a vmid, a group, a tag, or `key=value`. A part that fits no host is a mistake and raises TargetError.
    """
    wanted = tuple(expressions)
    if not wanted:
        return frozenset(host.name for host in estate.hosts())
    chosen: set[str] = set()
    for expression in wanted:
        found = {name for term in expression.split(",") for name in _all_of(estate, term)}
        if not found:
            raise TargetError(f"no host fits {expression!r}: each part fits some, but none fits all")
        chosen |= found
    return frozenset(chosen)


def hypervisors_of(estate: Estate, targets: frozenset[str]) -> frozenset[str]:
    """Name the hypervisors that carry targeted guests or templates."""
    machines = (*estate.guests, *estate.templates)
    return frozenset(machine.hypervisor for machine in machines if machine.name in targets)


def _all_of(estate: Estate, term: str) -> set[str]:
    parts = [_fitting(estate, part.strip()) for part in term.split("&")]
    return set.intersection(*parts)


def _fitting(estate: Estate, part: str) -> set[str]:
    hosts = list(estate.hosts())
    if "=" in part:
        key, _, value = part.partition("=")
        if key not in FIELDS:
            raise TargetError(f"unknown key {key!r} in {part!r}; {nearest(key, FIELDS)}")
        found = {host.name for host in hosts if _text(host, key) == value}
    else:
        found = {host.name for host in hosts if _called(host, part)}
    if not found:
        known = {host.name for host in hosts} | {word for host in hosts for word in (*host.groups, *host.tags)}
        hint = "" if "=" in part or part.isdigit() else f"; {nearest(part, known)}"
        raise TargetError(f"no host fits {part!r}{hint}")
    return found


def _called(host: Host, word: str) -> bool:
    return word == host.name or word in host.groups or word in host.tags or word == _text(host, "vmid")


def _text(host: Hypervisor | Guest | Template | Machine | Host, key: str) -> str | None:
    value = getattr(host, key, None)
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
