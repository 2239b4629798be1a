"""The configuration of all levels → the chains of rules that packets go through.

Source: Administration Guide, "Proxmox VE Firewall", and the recorded answers of Proxmox's simulator. Cluster rules and
policies apply to nodes only. An accept in the sender's chain ends that chain; the receiver's chain is still evaluated.
Rules of type `forward` apply to routed packets only, not to those that cross a bridge; the model leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator

from phoenix.pve.firewall.model.builtin_rules import (
    blacklist,
    dhcp,
    ipfilter,
    macfilter,
    management,
    neighbor_discovery,
    policy,
)
from phoenix.pve.firewall.model.configuration import (
    Firewall,
    FirewallNic,
    GuestLevel,
    LevelConfig,
    TrafficDirection,
    parse_bool,
)
from phoenix.pve.firewall.model.listed_rules import RuleCompiler, SkippedRule
from phoenix.pve.firewall.model.lookup import AddressLookup
from phoenix.pve.firewall.model.match import ChainRule, RuleMatch, RuleOrigin

RuleChain = tuple[ChainRule, ...]


class Chains:
    """The chains of one firewall, compiled on first use; `skipped` collects the rules that Proxmox ignores."""

    def __init__(self, firewall: Firewall) -> None:
        self.firewall = firewall
        self.skipped: dict[SkippedRule, None] = {}
        self._compiled: dict[Hashable, RuleChain] = {}

    @property
    def is_on(self) -> bool:
        """Tell whether the cluster's switch is on; otherwise no packet is filtered."""
        return parse_bool(self.firewall.cluster.options.get("enable"))

    def guest(self, vmid: int, nic: FirewallNic, direction: TrafficDirection) -> RuleChain | None:
        """A guest's chain for one interface; None if it is not filtered."""
        guest = self.firewall.guests.get(vmid)
        if not (self.is_on and guest and nic.firewall and guest.config.is_on("enable", default=False)):
            return None
        return self._once((vmid, nic.index, direction), lambda: self._guest(vmid, guest, nic, direction))

    def node(self, name: str, direction: TrafficDirection) -> RuleChain | None:
        """A node's chain; None if it is not filtered."""
        config = self.firewall.nodes.get(name, LevelConfig())
        if not (self.is_on and config.is_on("enable", default=True)):
            return None
        return self._once((name, direction), lambda: self._node(name, config, direction))

    def _once(self, key: Hashable, build: Callable[[], Iterator[ChainRule]]) -> RuleChain:
        if key not in self._compiled:
            self._compiled[key] = tuple(build())
        return self._compiled[key]

    def _guest(
        self, vmid: int, guest: GuestLevel, nic: FirewallNic, direction: TrafficDirection
    ) -> Iterator[ChainRule]:
        config, backend = guest.config, self.firewall.backend
        lookup = AddressLookup(config, self.firewall.cluster)
        if direction == "in":
            yield from blacklist(vmid, lookup)
        yield from dhcp(vmid, config, direction, backend)
        if direction == "out":
            yield from macfilter(vmid, config, nic)
            yield from ipfilter(vmid, config, lookup, nic)
        yield from neighbor_discovery(vmid, config, direction, backend)
        yield from RuleCompiler(self.firewall, vmid, direction, lookup, self.skipped, nic).compile(config.rules)
        yield from policy(vmid, config.options, direction)

    def _node(self, name: str, config: LevelConfig, direction: TrafficDirection) -> Iterator[ChainRule]:
        cluster, backend = self.firewall.cluster, self.firewall.backend
        own, shared = AddressLookup(config, cluster), AddressLookup(cluster, cluster)
        yield ChainRule(RuleMatch("igmp"), "ACCEPT", RuleOrigin(name, part="igmp"))
        yield from neighbor_discovery(name, config, direction, backend)
        if direction == "in":
            yield from blacklist(name, own)
        management_rules = tuple(management(name, cluster, self.firewall.local_network, direction))
        if backend == "nftables":
            yield from management_rules
        yield from RuleCompiler(self.firewall, name, direction, own, self.skipped).compile(config.rules)
        yield from RuleCompiler(self.firewall, "cluster", direction, shared, self.skipped).compile(cluster.rules)
        if backend == "iptables":
            yield from management_rules
        yield from policy("cluster", cluster.options, direction)
