"""Flows → the arrows of a picture: what a whole group does is one arrow of it, the ports of a pair are one label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from phoenix.derive.flows import Flow, Protocol, flows
from phoenix.estate import Estate

End = Literal["source", "dest"]
FEWEST = 3
"""So many hosts make a crowd."""
KINDS: Mapping[str, str] = {
    "requests": "requests to exposed services",
    "clients": "declared clients",
    "operation": "management, probes, configuration",
    "certificates": "certificates",
    "node": "names and storage",
    "outward": "out of the estate",
    "diagnosis": "ping",
}
"""Why there is an arrow, in words."""


@dataclass(frozen=True)
class Arrow:
    """All that one end may ask another for one kind of reason."""

    source: str
    dest: str
    kind: str
    label: str
    flows: tuple[Flow, ...]


def crowds(estate: Estate) -> dict[str, frozenset[str]]:
    """Names for many guests at once: all of them, then those of each group, the largest first."""
    groups = {group: frozenset(guest.name for guest in estate.guests if guest.has(group)) for group in _groups(estate)}
    found = {"every guest": frozenset(guest.name for guest in estate.guests)}
    for group, members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(members) >= FEWEST and members not in found.values():
            found[f"every {group}"] = members
    return found


def arrows(estate: Estate) -> tuple[Arrow, ...]:
    """Every flow of an estate, in as few arrows as say the same."""
    known = crowds(estate)
    folded = list(_folded(flows(estate), known, "source", "dest"))
    folded = sorted(_folded(folded, known, "dest", "source"), key=lambda flow: _key(estate, flow))
    return tuple(
        Arrow(source, dest, kind, label(own := tuple(found)), own)
        for (source, dest, kind), found in groupby(folded, key=lambda flow: _key(estate, flow))
    )


def label(found: Iterable[Flow]) -> str:
    """Ports as they are written beside an arrow: TCP unless it says otherwise, neighbours as a range."""
    ports: dict[Protocol, set[int]] = {}
    for flow in found:
        ports.setdefault(flow.protocol, set()).update(flow.ports)
    words = [f"{run}/udp" for run in _runs(ports.get("udp", set()))]
    return ", ".join((*_runs(ports.get("tcp", set())), *words, *(["ping"] if "icmp" in ports else [])))


def _groups(estate: Estate) -> Iterator[str]:
    yield from dict.fromkeys(group for guest in estate.guests for group in guest.groups)


def _folded(given: Iterable[Flow], known: Mapping[str, frozenset[str]], many: End, one: End) -> Iterator[Flow]:
    """Flows that differ in one end only, and there by all members of a crowd, as one flow of the crowd."""

    def same(flow: Flow) -> tuple[str, str, tuple[int, ...], str]:
        return getattr(flow, one), flow.protocol, flow.ports, flow.purpose

    for key, found in groupby(sorted(given, key=same), key=same):
        alike = list(found)
        ends = frozenset(getattr(flow, many) for flow in alike)
        for name, members in known.items():
            inside = members - {key[0]}
            if len(inside) >= FEWEST and inside <= ends:
                first = next(flow for flow in alike if getattr(flow, many) in inside)
                yield replace(first, source=name) if many == "source" else replace(first, dest=name)
                ends -= inside
        yield from (flow for flow in alike if getattr(flow, many) in ends)


def _key(estate: Estate, flow: Flow) -> tuple[str, str, str]:
    return flow.source, flow.dest, _kind(estate, flow)


def _kind(estate: Estate, flow: Flow) -> str:
    nodes = {hypervisor.name for hypervisor in estate.hypervisors}
    authority, edge, mesh = (estate.guest_with(role).name for role in ("step_ca", "nginx", "traefik"))
    if flow.protocol == "icmp":
        return "diagnosis"
    if flow.dest in ("internet", "upstream"):
        return "outward"
    if authority in (flow.source, flow.dest):
        return "certificates"
    if flow.source in nodes or flow.source == "management":
        return "operation"
    if flow.dest in nodes:
        return "node"
    return "requests" if mesh == flow.source or edge in (flow.source, flow.dest) else "clients"


def _runs(ports: Iterable[int]) -> Iterator[str]:
    run: list[int] = []
    for port in (*sorted(ports), 0):
        if run and port != run[-1] + 1:
            yield f"{run[0]}-{run[-1]}" if len(run) >= FEWEST else ", ".join(map(str, run))
            run = []
        run.append(port)
