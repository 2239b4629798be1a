"""What Proxmox puts around a user's rules: filters of addresses, the operator's way in, and the end of a chain.

Source: Administration Guide, "Proxmox VE Firewall": "Standard IP Sets", "Ports used by Proxmox VE" and the options of
hosts and guests; the silent end of a refusing policy is that of the recorded simulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from phoenix.pve.firewall.model.configuration import Backend, Direction, Nic, Scope
from phoenix.pve.firewall.model.intervals import V4_END, number, union
from phoenix.pve.firewall.model.lookup import Names, ports
from phoenix.pve.firewall.model.match import Action, Match, Origin, Step

DEFAULT_POLICY: dict[Direction, Action] = {"in": "DROP", "out": "ACCEPT"}
MANAGEMENT = ("8006", "5900:5999", "3128", "22")
MIGRATION = "60000:60050"
VITAL = ("fragmentation-needed", "time-exceeded")
NEIGHBOURS = ("neighbour-solicitation", "neighbour-advertisement")
LINK_LOCAL = (V4_END + (0xFE80 << 112), V4_END + (0xFEC0 << 112) - 1)


def blacklist(level: str, names: Names) -> Iterator[Step]:
    """The standard set of sources that are never welcome."""
    if names.has_set("blacklist"):
        yield Step(Match(source=names.members("blacklist")), "DROP", Origin(level, part="set blacklist"))


def dhcp(level: str, scope: Scope, direction: Direction, backend: Backend) -> Iterator[Step]:
    """A guest's DHCP, open unless the option says no; what it then says differs between the backends."""
    sport, dport = ("67", "68") if direction == "in" else ("68", "67")
    yield from _option(level, scope, "dhcp", backend, (Match("udp", ports(dport), ports(sport)),))


def neighbours(level: str, scope: Scope, direction: Direction, backend: Backend) -> Iterator[Step]:
    """IPv6's neighbour discovery (RFC 4861), open unless the option says no; routers are asked, and answer."""
    router = "router-solicitation" if direction == "out" else "router-advertisement"
    matches = tuple(Match("icmpv6", icmp=kind) for kind in (*NEIGHBOURS, router))
    yield from _option(level, scope, "ndp", backend, matches)
    if direction == "out" and level.startswith("guest ") and not scope.is_on("radv", default=False):
        yield Step(Match("icmpv6", icmp="router-advertisement"), "DROP", Origin(level, part="option radv"))


def _option(level: str, scope: Scope, name: str, backend: Backend, matches: tuple[Match, ...]) -> Iterator[Step]:
    on = scope.is_on(name, default=True)
    if on or backend == "nftables":
        yield from (Step(match, "ACCEPT" if on else "DROP", Origin(level, part=f"option {name}")) for match in matches)


def macfilter(level: str, scope: Scope, nic: Nic) -> Iterator[Step]:
    """A guest may send from its own MAC only."""
    if nic.mac and scope.is_on("macfilter", default=True):
        yield Step(Match(not_mac=nic.mac.upper()), "DROP", Origin(level, part="option macfilter"))


def ipfilter(level: str, scope: Scope, names: Names, nic: Nic) -> Iterator[Step]:
    """A guest may send from its own addresses only, if the option says so or a set of them is there."""
    name = f"ipfilter-net{nic.index}"
    listed = name in scope.ipsets
    if listed or scope.is_on("ipfilter", default=False):
        own = [(number(address), number(address)) for address in nic.addresses]
        allowed = union((*own, LINK_LOCAL, *(names.members(name) if listed else ())))
        yield Step(Match(not_source=allowed), "DROP", Origin(level, part="ipfilter"))


def management(node: str, cluster: Scope, local_network: str, direction: Direction) -> Iterator[Step]:
    """The operator's way in, from the set `management` and the node's own network; and the node's way to others."""
    names = Names(cluster, cluster)
    aliases = {name.lower(): cidr for name, cidr in cluster.aliases.items()}
    local = names.addresses(aliases.get("local_network", local_network))
    if direction == "out":
        matches = [Match("tcp", ports(port), dest=local) for port in MANAGEMENT]
    else:
        own = names.members("management") if names.has_set("management") else ()
        source = union((*local, *own))
        matches = [Match("tcp", ports(port), source=source) for port in (*MANAGEMENT, MIGRATION)]
    yield from (Step(match, "ACCEPT", Origin(node, part="set management")) for match in matches)


def policy(level: str, options: Mapping[str, Any], direction: Direction) -> Iterator[Step]:
    """The end of a chain: what is dropped without a word under any policy that refuses, then the policy."""
    action: Action = options.get(f"policy_{direction}") or DEFAULT_POLICY[direction]
    if action != "ACCEPT":
        silent = Origin(level, part="dropped silently before the policy")
        yield Step(Match(special="broadcast"), "DROP", silent)
        yield from (Step(Match("icmp", icmp=kind), "ACCEPT", Origin(level, part="vital ICMP")) for kind in VITAL)
        yield from (Step(match, "DROP", silent) for match in SILENT)
    yield Step(Match(), action, Origin(level, part=f"policy_{direction}"))


SILENT = (
    Match("udp", ports("135,445")),
    Match("udp", ports("137:139")),
    Match("udp", ports("1024:65535"), ports("137")),
    Match("tcp", ports("135,139,445")),
    Match("udp", ports("1900")),
    Match("tcp", special="not-syn"),
    Match("udp", sport=ports("53")),
)
