"""Select the targets of a run by names, ids, groups, tags and `key=value`, alone or combined."""

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
    """A target expression matches no host of the estate; the message suggests the nearest word."""


def select(estate: Estate, expressions: Iterable[str]) -> frozenset[str]:
    """Select hosts by expressions; without an expression, all hosts are selected.

    An expression is a list of terms joined by `,` (any of them) whose parts are joined by `&` (all of them). A part is
    a host's name, a vmid, a group, a tag, or `key=value`. A part that matches no host raises TargetError.
    """
    wanted = tuple(expressions)
    if not wanted:
        return frozenset(host.name for host in estate.hosts())
    selected: set[str] = set()
    for expression in wanted:
        matches = {name for term in expression.split(",") for name in _all_of(estate, term)}
        if not matches:
            raise TargetError(f"no host matches {expression!r}: each part matches some hosts, but no host matches all")
        selected |= matches
    return frozenset(selected)


def hypervisors_of(estate: Estate, targets: frozenset[str]) -> frozenset[str]:
    """Name the hypervisors of the targeted guests and templates."""
    machines = (*estate.guests, *estate.templates)
    return frozenset(machine.hypervisor for machine in machines if machine.name in targets)


def _all_of(estate: Estate, term: str) -> set[str]:
    parts = [_matches(estate, part.strip()) for part in term.split("&")]
    return set.intersection(*parts)


def _matches(estate: Estate, part: str) -> set[str]:
    hosts = list(estate.hosts())
    if "=" in part:
        key, _, value = part.partition("=")
        if key not in FIELDS:
            raise TargetError(f"unknown key {key!r} in {part!r}; {nearest(key, FIELDS)}")
        matches = {host.name for host in hosts if _text(host, key) == value}
    else:
        matches = {host.name for host in hosts if _has_word(host, part)}
    if not matches:
        known = {host.name for host in hosts} | {word for host in hosts for word in (*host.groups, *host.tags)}
        hint = "" if "=" in part or part.isdigit() else f"; {nearest(part, known)}"
        raise TargetError(f"no host matches {part!r}{hint}")
    return matches


def _has_word(host: Host, word: str) -> bool:
    return word == host.name or word in host.groups or word in host.tags or word == _text(host, "vmid")


def _text(host: Hypervisor | Guest | Template | Machine | Host, key: str) -> str | None:
    value = getattr(host, key, None)
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
