"""Chains and permissions → for each traffic class the peers that they accept, as bit masks that can be compared.

The partition has one class per combination of an address class and a traffic class that any rule or permission
distinguishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from phoenix.pve.firewall.model.chains import RuleChain
from phoenix.pve.firewall.model.configuration import TrafficDirection
from phoenix.pve.firewall.model.match import ChainRule, RuleMatch
from phoenix.pve.firewall.proof.address_classes import AddressClasses
from phoenix.pve.firewall.proof.permissions import Permission
from phoenix.pve.firewall.proof.traffic_classes import traffic_classes

PeerMasks = dict[int, int]
"""For each traffic class, by its index, the mask of the peers; an absent class has none."""


class Partition:
    """The classes of packets that some rules and permissions distinguish; each of `hosts` is an address of its own."""

    def __init__(self, rules: Sequence[ChainRule], permissions: Sequence[Permission], hosts: Iterable[int]) -> None:
        named = {parts for rule in rules for parts in (rule.match.source, rule.match.dest, rule.match.not_source)}
        peers = {permission.peers for permission in permissions}
        self.addresses = AddressClasses({parts for parts in (*named, *peers) if parts}, hosts)
        matches = {match.without_addresses for match in (*(r.match for r in rules), *(p.match for p in permissions))}
        accepting = {rule.match.without_addresses for rule in rules if rule.action == "ACCEPT"}
        self.traffic = traffic_classes(matches, accepting)
        self._classes = {match: self._classes_in(match) for match in matches}

    def _classes_in(self, match: RuleMatch) -> tuple[int, ...]:
        return tuple(index for index, traffic in enumerate(self.traffic) if traffic.is_in(match))

    def permitted(self, permissions: Iterable[Permission]) -> PeerMasks:
        """The peers that permissions cover."""
        masks: PeerMasks = {}
        for permission in permissions:
            peers = self.addresses.mask(permission.peers)
            for index in self._classes[permission.match.without_addresses]:
                masks[index] = masks.get(index, 0) | peers
        return masks

    def accepted(self, chain: RuleChain | None, address: int, direction: TrafficDirection) -> PeerMasks:
        """The peers that a chain accepts for one address of its own end; without a chain, all peers."""
        every = self.addresses.all
        if chain is None:
            return dict.fromkeys(range(len(self.traffic)), every)
        own = self.addresses.mask(((address, address),))
        masks: PeerMasks = {}
        undecided: PeerMasks = {}
        for rule in chain:
            classes = self._classes[rule.match.without_addresses]
            peers = self._peers(rule.match, own, direction) if classes else 0
            if not peers:
                continue
            accepts = rule.action == "ACCEPT"
            for index in classes:
                rest = undecided.get(index, every)
                if accepts and rest & peers:
                    masks[index] = masks.get(index, 0) | rest & peers
                undecided[index] = rest & ~peers
        return masks

    def _peers(self, match: RuleMatch, own: int, direction: TrafficDirection) -> int:
        """The peers of which a rule matches packets, given the chain's own address."""
        near, far = (match.dest, match.source) if direction == "in" else (match.source, match.dest)
        if match.not_mac or not self.addresses.mask(near) & own:
            return 0
        peers = self.addresses.mask(far)
        if match.not_source is None:
            return peers
        not_in_source = self.addresses.all & ~self.addresses.mask(match.not_source)
        return peers & not_in_source if direction == "in" else peers if not_in_source & own else 0
