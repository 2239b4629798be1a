"""Who stands where in a picture of the flows: columns from the outside over edge and mesh to guests and beyond."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.report.picture.folding import Arrow, crowds

COLUMNS = ("outside", "edge", "mesh", "guests", "node", "beyond")
SPELT = {"any": "anybody", "upstream": "upstream DNS"}


@dataclass(frozen=True)
class End:
    """One that an arrow begins or ends at: a host, a crowd of hosts, or a party of others."""

    name: str
    title: str
    subtitle: str
    role: str
    column: int


def ends(estate: Estate, drawn: Iterable[Arrow]) -> tuple[End, ...]:
    """Every host, and the parties and crowds that arrows name, from the outside to what is beyond."""
    named = {name for arrow in drawn for name in (arrow.source, arrow.dest)}
    network = estate.settings.network
    managers = ", ".join(str(managers).removesuffix("/32") for managers in network.management)
    outside = {"any": "", "lan": str(network.subnet), "management": managers}
    beyond = {"upstream": ", ".join(map(str, network.upstream_dns)), "internet": ""}
    hosts = [_of_host(estate, host) for host in estate.live()]
    crowd = [
        End(name, name, _members(estate, members), "crowd", COLUMNS.index("guests"))
        for name, members in crowds(estate).items()
        if name in named
    ]
    parties = [
        End(name, SPELT.get(name, name), said, "party", COLUMNS.index(where))
        for where, words in (("outside", outside), ("beyond", beyond))
        for name, said in words.items()
        if name in named
    ]
    return tuple(sorted((*parties, *hosts, *crowd), key=lambda end: end.column))


def _of_host(estate: Estate, host: Guest | Hypervisor) -> End:
    name = host.name
    if isinstance(host, Hypervisor):
        return End(name, name, f"{host.address} · hypervisor", "hypervisor", COLUMNS.index("node"))
    for group, role, column in (
        ("nginx", "edge", "edge"),
        ("traefik", "mesh", "mesh"),
        ("step_ca", "authority", "node"),
    ):
        if host is estate.guest_with(group):
            return End(name, name, f"{host.address} · {role}", role, COLUMNS.index(column))
    return End(name, name, f"{host.address} · {host.vmid}", "guest", COLUMNS.index("guests"))


def _members(estate: Estate, members: frozenset[str]) -> str:
    """How many, and which of those that stand elsewhere."""
    roles = {"edge": "nginx", "mesh": "traefik", "authority": "step_ca"}
    others = [role for role, group in roles.items() if estate.guest_with(group).name in members]
    return f"{len(members)}" + (f" with {', '.join(others)}" if others else "")
