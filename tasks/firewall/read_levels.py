"""Read the firewall of a hypervisor and its guests from the API in one sweep of concurrent requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from phoenix.connections.proxmox import ProxmoxClient
from phoenix.derive.guests import mac_of
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.configuration import (
    FirewallBackend,
    FirewallNic,
    IpSetEntry,
    LevelConfig,
    ListedRule,
    parse_bool,
)
from phoenix.pve.firewall.plan.after_plan import PlanContext
from phoenix.pve.firewall.plan.level import FirewallLevel
from phoenix.pve.nics import UndeclaredNic, undeclared_nics
from phoenix.pve.paths import path_of
from phoenix.pve.properties import parse

AT_ONCE = 8


@dataclass(frozen=True)
class Swept:
    """The observed configuration of the levels, and the context of a plan.

    `undeclared` are guests' interfaces that the inventory does not declare, by name; `moving` are the names of the
    guests whose configured address is not the declared one.
    """

    levels: Mapping[FirewallLevel, LevelConfig]
    context: PlanContext
    undeclared: Mapping[str, tuple[UndeclaredNic, ...]]
    moving: frozenset[str] = frozenset()


def cluster_level() -> FirewallLevel:
    """The level of the cluster."""
    return FirewallLevel("cluster", "cluster", "cluster/firewall")


def node_level(hypervisor: Hypervisor) -> FirewallLevel:
    """The level of a node, under its inventory name."""
    return FirewallLevel("node", hypervisor.name, f"nodes/{hypervisor.node}/firewall")


def guest_level(estate: Estate, guest: Guest) -> FirewallLevel:
    """The level of a guest."""
    return FirewallLevel("guest", guest.name, f"{path_of(estate, guest)}/firewall", guest.vmid)


def sweep(api: ProxmoxClient, estate: Estate, hypervisor: Hypervisor, guests: Iterable[Guest]) -> Swept:
    """Read the cluster, the node and some guests, several requests at once."""
    every = tuple(guests)
    node = node_level(hypervisor)
    wanted = (cluster_level(), node, *(guest_level(estate, guest) for guest in every))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        levels = [(level, pool.submit(read_level, api, level)) for level in wanted]
        configs = [(guest, pool.submit(api.get, f"{path_of(estate, guest)}/config")) for guest in every]
        groups = pool.submit(_groups, api)
        seen = {level: config.result() for level, config in levels}
        found = [(guest, config.result()) for guest, config in configs]
    cards = {guest.vmid: _nic(guest, config) for guest, config in found}
    others = {guest.name: undeclared_nics(config) for guest, config in found}
    moving = frozenset(guest.name for guest, config in found if not _is_at_its_address(guest, config))
    backend: FirewallBackend = "nftables" if parse_bool(seen[node].options.get("nftables")) else "iptables"
    undeclared = {name: nics for name, nics in others.items() if nics}
    return Swept(seen, PlanContext(groups.result(), cards, backend), undeclared, moving)


def read_level(api: ProxmoxClient, level: FirewallLevel) -> LevelConfig:
    """Read one level."""
    options, rules = api.get(f"{level.base}/options"), api.get(f"{level.base}/rules")
    if level.kind == "node":
        return LevelConfig(options, tuple(rules))
    aliases = {str(alias["name"]): str(alias["cidr"]) for alias in api.get(f"{level.base}/aliases")}
    names = [str(ipset["name"]) for ipset in api.get(f"{level.base}/ipset")]
    ipsets = {name: _entries(api.get(f"{level.base}/ipset/{name}")) for name in names}
    return LevelConfig(options, tuple(rules), aliases, ipsets)


def _entries(listed: Iterable[Mapping[str, Any]]) -> tuple[IpSetEntry, ...]:
    return tuple(IpSetEntry(str(entry["cidr"]), parse_bool(entry.get("nomatch"))) for entry in listed)


def _groups(api: ProxmoxClient) -> dict[str, tuple[ListedRule, ...]]:
    get: Callable[[str], Any] = api.get
    base = "cluster/firewall/groups"
    return {str(group["group"]): tuple(get(f"{base}/{group['group']}")) for group in get(base)}


def _is_at_its_address(guest: Guest, config: Mapping[str, Any]) -> bool:
    key = "net0" if guest.kind == "lxc" else "ipconfig0"
    return parse(str(config.get(key, ""))).get("ip", "").partition("/")[0] == str(guest.address)


def _nic(guest: Guest, config: Mapping[str, Any]) -> FirewallNic:
    card = parse(str(config.get("net0", "")))
    mac = card.get("hwaddr") or mac_of(guest.vmid)
    return FirewallNic(0, (str(guest.address),), mac, parse_bool(card.get("firewall")))
