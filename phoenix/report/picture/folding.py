"""Flows → the arrows of a picture: equal flows of all hosts of a group are one arrow, the ports of a pair one label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from phoenix.derive.flows import Flow, PortRange, Protocol, flows
from phoenix.estate import Estate

FlowSide = Literal["source", "dest"]
MIN_GROUP = 3
"""The minimum number of hosts that are drawn as a group, and of adjacent ports that are written as a range."""
KINDS: Mapping[str, str] = {
    "requests": "requests to exposed services",
    "clients": "declared clients",
    "operation": "management, probes, configuration",
    "certificates": "certificates",
    "node": "names and storage",
    "outward": "out of the estate",
    "diagnosis": "ping",
}
"""The kinds of arrows, with their text in the legend."""


@dataclass(frozen=True)
class Arrow:
    """All flows of one kind from one end to another; `label` lists their ports."""

    source: str
    dest: str
    kind: str
    label: str
    flows: tuple[Flow, ...]


def guest_groups(estate: Estate) -> dict[str, frozenset[str]]:
    """Name the sets of guests that can be drawn as one: all guests, then each inventory group, the largest first."""
    groups = {group: frozenset(guest.name for guest in estate.guests if guest.has(group)) for group in _groups(estate)}
    named = {"every guest": frozenset(guest.name for guest in estate.guests)}
    for group, members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(members) >= MIN_GROUP and members not in named.values():
            named[f"every {group}"] = members
    return named


def arrows(estate: Estate) -> tuple[Arrow, ...]:
    """Fold every flow of an estate into as few arrows as possible."""
    groups = guest_groups(estate)
    folded = list(_folded(flows(estate), groups, "source", "dest"))
    folded = sorted(_folded(folded, groups, "dest", "source"), key=lambda flow: _key(estate, flow))
    return tuple(
        Arrow(source, dest, kind, label(own := tuple(same)), own)
        for (source, dest, kind), same in groupby(folded, key=lambda flow: _key(estate, flow))
    )


def label(own: Iterable[Flow]) -> str:
    """Format the ports of an arrow: TCP unless marked otherwise, adjacent ports as a range."""
    ports: dict[Protocol, set[int]] = {}
    for flow in own:
        ports.setdefault(flow.protocol, set()).update(*(range(low, high + 1) for low, high in flow.spans))
    words = [f"{run}/udp" for run in _runs(ports.get("udp", set()))]
    return ", ".join((*_runs(ports.get("tcp", set())), *words, *(["ping"] if "icmp" in ports else [])))


def _groups(estate: Estate) -> Iterator[str]:
    yield from dict.fromkeys(group for guest in estate.guests for group in guest.groups)


def _folded(
    every: Iterable[Flow], groups: Mapping[str, frozenset[str]], many: FlowSide, one: FlowSide
) -> Iterator[Flow]:
    """Replace flows that differ only in one end, and there contain all members of a group, by one flow of the group."""

    def same(flow: Flow) -> tuple[str, str, tuple[PortRange, ...], str]:
        return getattr(flow, one), flow.protocol, flow.spans, flow.purpose

    for key, equal in groupby(sorted(every, key=same), key=same):
        alike = list(equal)
        ends = frozenset(getattr(flow, many) for flow in alike)
        for name, members in groups.items():
            others = members - {key[0]}
            if len(others) >= MIN_GROUP and others <= ends:
                first = next(flow for flow in alike if getattr(flow, many) in others)
                yield replace(first, source=name) if many == "source" else replace(first, dest=name)
                ends -= others
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
            yield f"{run[0]}-{run[-1]}" if len(run) >= MIN_GROUP else ", ".join(map(str, run))
            run = []
        run.append(port)
