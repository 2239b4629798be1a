"""Everything that decides about a hypervisor's packets, read from its API in one sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from phoenix.connections.proxmox import ProxmoxClient
from phoenix.derive.guests import mac_of
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.configuration import Backend, Entry, Listed, Nic, Scope, truth
from phoenix.pve.firewall.plan.after_plan import Surroundings
from phoenix.pve.firewall.plan.reconcile import Place
from phoenix.pve.paths import path_of
from phoenix.pve.properties import parse

AT_ONCE = 8


@dataclass(frozen=True)
class Swept:
    """Levels as they are listed, and what is around them."""

    levels: Mapping[Place, Scope]
    around: Surroundings


def cluster_place() -> Place:
    """The level of the cluster."""
    return Place("cluster", "cluster", "cluster/firewall")


def node_place(hypervisor: Hypervisor) -> Place:
    """The level of a node, under its inventory name."""
    return Place("node", hypervisor.name, f"nodes/{hypervisor.node}/firewall")


def guest_place(estate: Estate, guest: Guest) -> Place:
    """The level of a guest."""
    return Place("guest", guest.name, f"{path_of(estate, guest)}/firewall", guest.vmid)


def sweep(api: ProxmoxClient, estate: Estate, hypervisor: Hypervisor, guests: Iterable[Guest]) -> Swept:
    """Read the cluster, the node and some guests, several questions at once."""
    every = tuple(guests)
    places = (cluster_place(), node_place(hypervisor), *(guest_place(estate, guest) for guest in every))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        levels = [(place, pool.submit(read_level, api, place)) for place in places]
        nics = [(guest, pool.submit(api.get, f"{path_of(estate, guest)}/config")) for guest in every]
        groups = pool.submit(_groups, api)
        seen = {place: level.result() for place, level in levels}
        cards = {guest.vmid: _nic(guest, config.result()) for guest, config in nics}
    backend: Backend = "nftables" if truth(seen[places[1]].options.get("nftables")) else "iptables"
    return Swept(seen, Surroundings(groups.result(), cards, backend))


def read_level(api: ProxmoxClient, place: Place) -> Scope:
    """Read one level."""
    options, rules = api.get(f"{place.base}/options"), api.get(f"{place.base}/rules")
    if place.kind == "node":
        return Scope(options, tuple(rules))
    aliases = {str(alias["name"]): str(alias["cidr"]) for alias in api.get(f"{place.base}/aliases")}
    names = [str(ipset["name"]) for ipset in api.get(f"{place.base}/ipset")]
    ipsets = {name: _entries(api.get(f"{place.base}/ipset/{name}")) for name in names}
    return Scope(options, tuple(rules), aliases, ipsets)


def _entries(listed: Iterable[Mapping[str, Any]]) -> tuple[Entry, ...]:
    return tuple(Entry(str(entry["cidr"]), truth(entry.get("nomatch"))) for entry in listed)


def _groups(api: ProxmoxClient) -> dict[str, tuple[Listed, ...]]:
    get: Callable[[str], Any] = api.get
    base = "cluster/firewall/groups"
    return {str(group["group"]): tuple(get(f"{base}/{group['group']}")) for group in get(base)}


def _nic(guest: Guest, config: Mapping[str, Any]) -> Nic:
    card = parse(str(config.get("net0", "")))
    mac = card.get("hwaddr") or mac_of(guest.vmid)
    return Nic(0, (str(guest.address),), mac, truth(card.get("firewall")))
