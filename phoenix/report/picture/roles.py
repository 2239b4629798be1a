"""Estate and arrows → the ends of a picture, each with its title, role and column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.report.picture.folding import Arrow, guest_groups

COLUMNS = ("outside", "edge", "mesh", "guests", "node", "beyond")
"""The columns from left to right; `beyond` is for the Internet and the upstream name servers."""
DISPLAY_NAMES = {"any": "any address", "upstream": "upstream DNS"}


@dataclass(frozen=True)
class End:
    """An end of arrows: a host, a group of guests, or a network such as `lan`."""

    name: str
    title: str
    subtitle: str
    role: str
    column: int


def ends(estate: Estate, drawn: Iterable[Arrow]) -> tuple[End, ...]:
    """List every host, and the networks and groups that arrows name, in the order of the columns."""
    named = {name for arrow in drawn for name in (arrow.source, arrow.dest)}
    network = estate.settings.network
    managers = ", ".join(str(managers).removesuffix("/32") for managers in network.management)
    outside = {"any": "", "lan": str(network.subnet), "management": managers}
    beyond = {"upstream": ", ".join(map(str, network.upstream_dns)), "internet": ""}
    hosts = [_of_host(estate, host) for host in estate.live()]
    groups = [
        End(name, name, _members(estate, members), "group", COLUMNS.index("guests"))
        for name, members in guest_groups(estate).items()
        if name in named
    ]
    networks = [
        End(name, DISPLAY_NAMES.get(name, name), subtitle, "network", COLUMNS.index(column))
        for column, words in (("outside", outside), ("beyond", beyond))
        for name, subtitle in words.items()
        if name in named
    ]
    return tuple(sorted((*networks, *hosts, *groups), key=lambda end: end.column))


def _of_host(estate: Estate, host: Guest | Hypervisor) -> End:
    name = host.name
    if isinstance(host, Hypervisor):
        return End(name, name, f"{host.address} · hypervisor", "hypervisor", COLUMNS.index("node"))
    for group, role, column in (
        ("nginx", "edge", "edge"),
        ("traefik", "mesh", "mesh"),
        ("step_ca", "CA", "node"),
    ):
        if host is estate.guest_with(group):
            return End(name, name, f"{host.address} · {role}", role, COLUMNS.index(column))
    return End(name, name, f"{host.address} · {host.vmid}", "guest", COLUMNS.index("guests"))


def _members(estate: Estate, members: frozenset[str]) -> str:
    """Format the number of members, and the roles of those that are drawn in another column."""
    roles = {"edge": "nginx", "mesh": "traefik", "CA": "step_ca"}
    others = [role for role, group in roles.items() if estate.guest_with(group).name in members]
    return f"{len(members)}" + (f" with {', '.join(others)}" if others else "")
