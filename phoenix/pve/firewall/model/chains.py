"""A firewall's levels → the chains that packets go through.

Source: Administration Guide, "Proxmox VE Firewall", and the recorded answers of Proxmox's own simulator. Cluster rules
and policies concern the nodes only. An accept in a sender's chain ends that chain: the receiver is asked as well.
Rules of type `forward` concern what a node routes, and nothing that crosses its bridge: they are left out here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from phoenix.pve.firewall.model.builtin_rules import (
    blacklist,
    dhcp,
    ipfilter,
    macfilter,
    management,
    neighbours,
    policy,
)
from phoenix.pve.firewall.model.compile import concerns, matches_of
from phoenix.pve.firewall.model.configuration import Direction, Firewall, GuestScope, Listed, Nic, Scope, truth
from phoenix.pve.firewall.model.lookup import Names, RuleError
from phoenix.pve.firewall.model.match import Match, Origin, Step

Chain = tuple[Step, ...]


@dataclass(frozen=True)
class Skipped:
    """A rule that Proxmox leaves out, and why."""

    origin: Origin
    reason: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason}"


class Chains:
    """The chains of one firewall, each made when it is first asked for; `skipped` fills up as they are."""

    def __init__(self, firewall: Firewall) -> None:
        self.firewall = firewall
        self.skipped: dict[Skipped, None] = {}
        self._made: dict[Hashable, Chain] = {}

    @property
    def is_on(self) -> bool:
        """Tell whether anything is filtered at all: the cluster's switch."""
        return truth(self.firewall.cluster.options.get("enable"))

    def guest(self, vmid: int, nic: Nic, direction: Direction) -> Chain | None:
        """A guest's chain for one interface; None where it is not filtered."""
        guest = self.firewall.guests.get(vmid)
        if not (self.is_on and guest and nic.firewall and guest.scope.is_on("enable", default=False)):
            return None
        return self._once((vmid, nic.index, direction), lambda: self._guest(vmid, guest, nic, direction))

    def node(self, name: str, direction: Direction) -> Chain | None:
        """A node's chain; None where it is not filtered."""
        scope = self.firewall.nodes.get(name, Scope())
        if not (self.is_on and scope.is_on("enable", default=True)):
            return None
        return self._once((name, direction), lambda: self._node(name, scope, direction))

    def _once(self, key: Hashable, make: Callable[[], Iterator[Step]]) -> Chain:
        if key not in self._made:
            self._made[key] = tuple(make())
        return self._made[key]

    def _guest(self, vmid: int, guest: GuestScope, nic: Nic, direction: Direction) -> Iterator[Step]:
        level, scope, backend = f"guest {vmid}", guest.scope, self.firewall.backend
        names = Names(scope, self.firewall.cluster)
        if direction == "in":
            yield from blacklist(level, names)
        yield from dhcp(level, scope, direction, backend)
        if direction == "out":
            yield from macfilter(level, scope, nic)
            yield from ipfilter(level, scope, names, nic)
        yield from neighbours(level, scope, direction, backend)
        yield from self._rules(level, scope.rules, direction, names, nic)
        yield from policy(level, scope.options, direction)

    def _node(self, name: str, scope: Scope, direction: Direction) -> Iterator[Step]:
        cluster, local = self.firewall.cluster, self.firewall.local_network
        yield Step(Match("igmp"), "ACCEPT", Origin(name, part="igmp"))
        yield from neighbours(name, scope, direction, self.firewall.backend)
        if direction == "in":
            yield from blacklist(name, Names(scope, cluster))
        way_in = tuple(management(name, cluster, local, direction))
        if self.firewall.backend == "nftables":
            yield from way_in
        yield from self._rules(name, scope.rules, direction, Names(scope, cluster))
        yield from self._rules("cluster", cluster.rules, direction, Names(cluster, cluster))
        if self.firewall.backend == "iptables":
            yield from way_in
        yield from policy("cluster", cluster.options, direction)

    def _rules(
        self, level: str, rules: tuple[Listed, ...], direction: Direction, names: Names, nic: Nic | None = None
    ) -> Iterator[Step]:
        for position, rule in enumerate(rules):
            if truth(rule.get("enable")):
                origin = Origin(level, position, comment=str(rule.get("comment") or "").strip())
                yield from self._rule(origin, rule, direction, names, nic)

    def _rule(
        self, origin: Origin, rule: Listed, direction: Direction, names: Names, nic: Nic | None
    ) -> Iterator[Step]:
        try:
            if nic and not concerns(rule, nic.index):
                return
            if rule["type"] == "group":
                yield from self._group(origin, str(rule["action"]), direction, names)
            elif rule["type"] == direction:
                yield from (self._step(origin, rule, match) for match in matches_of(rule, names))
        except RuleError as error:
            self.skipped[Skipped(origin, str(error))] = None

    def _group(self, origin: Origin, name: str, direction: Direction, names: Names) -> Iterator[Step]:
        group = self.firewall.groups.get(name)
        if group is None:
            raise RuleError(f"there is no security group '{name}'; it counts as empty")
        for position, rule in enumerate(group):
            inner = Origin(origin.level, origin.position, f"rule {position} of group {name}", origin.comment)
            if truth(rule.get("enable")) and rule["type"] == direction:
                yield from self._rule(inner, rule, direction, names, None)

    def _step(self, origin: Origin, rule: Listed, match: Match) -> Step:
        action = rule["action"]
        dropped = self.firewall.backend == "nftables" and action == "REJECT" and origin.level.startswith("guest ")
        return Step(match, "DROP" if dropped and rule["type"] == "in" else action, origin)
