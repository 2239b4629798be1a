"""The rules that Proxmox adds around a user's: address filters, management access, and the end of a chain.

Source: Administration Guide, "Proxmox VE Firewall": "Standard IP Sets", "Ports used by Proxmox VE" and the options of
hosts and guests. The silent drops before a refusing policy follow the recorded answers of Proxmox's simulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from phoenix.pve.firewall.model.configuration import FirewallBackend, FirewallNic, LevelConfig, TrafficDirection
from phoenix.pve.firewall.model.intervals import V4_END, address_to_int, union
from phoenix.pve.firewall.model.lookup import AddressLookup, parse_ports
from phoenix.pve.firewall.model.match import ChainRule, LevelId, RuleAction, RuleMatch, RuleOrigin

DEFAULT_POLICY: dict[TrafficDirection, RuleAction] = {"in": "DROP", "out": "ACCEPT"}
MANAGEMENT_PORTS = ("8006", "5900:5999", "3128", "22")
MIGRATION_PORTS = "60000:60050"
ESSENTIAL_ICMP = ("fragmentation-needed", "time-exceeded")
NEIGHBOR_MESSAGES = ("neighbour-solicitation", "neighbour-advertisement")
LINK_LOCAL = (V4_END + (0xFE80 << 112), V4_END + (0xFEC0 << 112) - 1)
SILENT_DROPS = (
    RuleMatch("udp", parse_ports("135,445")),
    RuleMatch("udp", parse_ports("137:139")),
    RuleMatch("udp", parse_ports("1024:65535"), parse_ports("137")),
    RuleMatch("tcp", parse_ports("135,139,445")),
    RuleMatch("udp", parse_ports("1900")),
    RuleMatch("tcp", special="not-syn"),
    RuleMatch("udp", sport=parse_ports("53")),
)


def blacklist(level: LevelId, lookup: AddressLookup) -> Iterator[ChainRule]:
    """Drop every packet from a member of the standard set `blacklist`."""
    if lookup.has_set("blacklist"):
        match = RuleMatch(source=lookup.members("blacklist"))
        yield ChainRule(match, "DROP", RuleOrigin(level, part="set blacklist"))


def dhcp(
    level: LevelId, config: LevelConfig, direction: TrafficDirection, backend: FirewallBackend
) -> Iterator[ChainRule]:
    """Accept a guest's DHCP unless the option `dhcp` is off."""
    sport, dport = ("67", "68") if direction == "in" else ("68", "67")
    yield from _option(level, config, "dhcp", backend, (RuleMatch("udp", parse_ports(dport), parse_ports(sport)),))


def neighbor_discovery(
    level: LevelId, config: LevelConfig, direction: TrafficDirection, backend: FirewallBackend
) -> Iterator[ChainRule]:
    """Accept IPv6 neighbor discovery (RFC 4861) unless the option `ndp` is off; a guest may not act as a router."""
    router = "router-solicitation" if direction == "out" else "router-advertisement"
    matches = tuple(RuleMatch("icmpv6", icmp=kind) for kind in (*NEIGHBOR_MESSAGES, router))
    yield from _option(level, config, "ndp", backend, matches)
    if direction == "out" and isinstance(level, int) and not config.is_on("radv", default=False):
        match = RuleMatch("icmpv6", icmp="router-advertisement")
        yield ChainRule(match, "DROP", RuleOrigin(level, part="option radv"))


def _option(
    level: LevelId, config: LevelConfig, name: str, backend: FirewallBackend, matches: tuple[RuleMatch, ...]
) -> Iterator[ChainRule]:
    """Accept the packets while an option is on; while it is off, only the nftables backend drops them here."""
    is_on = config.is_on(name, default=True)
    if is_on or backend == "nftables":
        origin = RuleOrigin(level, part=f"option {name}")
        yield from (ChainRule(match, "ACCEPT" if is_on else "DROP", origin) for match in matches)


def macfilter(level: LevelId, config: LevelConfig, nic: FirewallNic) -> Iterator[ChainRule]:
    """Drop what a guest sends from another MAC than its own, unless the option `macfilter` is off."""
    if nic.mac and config.is_on("macfilter", default=True):
        yield ChainRule(RuleMatch(not_mac=nic.mac.upper()), "DROP", RuleOrigin(level, part="option macfilter"))


def ipfilter(level: LevelId, config: LevelConfig, lookup: AddressLookup, nic: FirewallNic) -> Iterator[ChainRule]:
    """Drop what a guest sends from another address than its own, if the option `ipfilter` or an ipfilter set exists."""
    name = f"ipfilter-net{nic.index}"
    has_set = name in config.ipsets
    if has_set or config.is_on("ipfilter", default=False):
        own = [(address_to_int(address), address_to_int(address)) for address in nic.addresses]
        allowed = union((*own, LINK_LOCAL, *(lookup.members(name) if has_set else ())))
        yield ChainRule(RuleMatch(not_source=allowed), "DROP", RuleOrigin(level, part="ipfilter"))


def management(node: str, cluster: LevelConfig, local_network: str, direction: TrafficDirection) -> Iterator[ChainRule]:
    """Accept management of a node from the set `management` and the local network; outbound, to the local network."""
    lookup = AddressLookup(cluster, cluster)
    aliases = {name.lower(): cidr for name, cidr in cluster.aliases.items()}
    local = lookup.addresses(aliases.get("local_network", local_network))
    if direction == "out":
        matches = [RuleMatch("tcp", parse_ports(port), dest=local) for port in MANAGEMENT_PORTS]
    else:
        managers = lookup.members("management") if lookup.has_set("management") else ()
        source = union((*local, *managers))
        ports = (*MANAGEMENT_PORTS, MIGRATION_PORTS)
        matches = [RuleMatch("tcp", parse_ports(port), source=source) for port in ports]
    yield from (ChainRule(match, "ACCEPT", RuleOrigin(node, part="set management")) for match in matches)


def policy(level: LevelId, options: Mapping[str, Any], direction: TrafficDirection) -> Iterator[ChainRule]:
    """End a chain with its policy; before a policy that refuses, drop some packets and accept essential ICMP."""
    action: RuleAction = options.get(f"policy_{direction}") or DEFAULT_POLICY[direction]
    if action != "ACCEPT":
        silent, essential = RuleOrigin(level, part="silent drop"), RuleOrigin(level, part="essential ICMP")
        yield ChainRule(RuleMatch(special="broadcast"), "DROP", silent)
        yield from (ChainRule(RuleMatch("icmp", icmp=kind), "ACCEPT", essential) for kind in ESSENTIAL_ICMP)
        yield from (ChainRule(match, "DROP", silent) for match in SILENT_DROPS)
    yield ChainRule(RuleMatch(), action, RuleOrigin(level, part=f"policy_{direction}"))
