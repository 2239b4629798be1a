"""A firewall and an estate → the proof that the firewall accepts exactly what the flows declare.

Each end's chains are evaluated once for all classes of addresses and traffic, with sets of addresses as bit masks. Only
where a chain differs from the permissions are packets evaluated one by one, at both ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from phoenix.estate import Estate
from phoenix.pve.firewall.model.chains import Chains, RuleChain
from phoenix.pve.firewall.model.configuration import Firewall, TrafficDirection
from phoenix.pve.firewall.model.evaluate import EPHEMERAL, OUTSIDE, Packet, chain_of, evaluate, side_verdicts
from phoenix.pve.firewall.model.match import LevelId
from phoenix.pve.firewall.proof.partition import Partition, PeerMasks
from phoenix.pve.firewall.proof.permissions import (
    EndPermissions,
    Permission,
    estate_permissions,
    matching_permissions,
)
from phoenix.pve.firewall.proof.traffic_classes import TrafficClass
from phoenix.pve.firewall.proof.violation import Proof, Violation

MAX_VIOLATIONS = 100
"""The search ends after this many; one mistake often shows at every end."""
RuleIds = frozenset[tuple[LevelId, int | None]]
"""Rules by their level and position."""


def prove(estate: Estate, firewall: Firewall, tolerated: RuleIds = frozenset()) -> Proof:
    """Compare a firewall with the estate's flows; what a `tolerated` rule accepts is no violation."""
    comparison = _Comparison(estate, Chains(firewall), tolerated)
    violations = tuple(islice(comparison.violations(), MAX_VIOLATIONS))
    partition = comparison.partition
    sizes = len(comparison.ends), len(partition.traffic), len(partition.addresses.addresses)
    return Proof(*sizes, violations, tuple(comparison.chains.skipped))


class _Comparison:
    def __init__(self, estate: Estate, chains: Chains, tolerated: RuleIds) -> None:
        self.chains = chains
        self._tolerated = tolerated
        self.ends = estate_permissions(estate)
        self._end_at = {address: end for end in self.ends for address in end.addresses}
        rules = [rule for end in self.ends for chain in self._chains_of(end) for rule in chain or ()]
        permissions = [permission for end in self.ends for permission in (*end.inbound, *end.outbound)]
        self.partition = Partition(rules, permissions, self._end_at)

    def _chains_of(self, end: EndPermissions) -> tuple[RuleChain | None, RuleChain | None]:
        address = end.addresses[0]
        return chain_of(self.chains, end.end, address, "in"), chain_of(self.chains, end.end, address, "out")

    def violations(self) -> Iterator[Violation]:
        """Find every class of packets whose verdict differs from the permissions."""
        for end in self.ends:
            sides: tuple[tuple[TrafficDirection, tuple[Permission, ...]], ...] = (
                ("in", end.inbound),
                ("out", end.outbound),
            )
            for direction, permissions in sides:
                permitted = self.partition.permitted(permissions)
                for address in end.addresses:
                    chain = chain_of(self.chains, end.end, address, direction)
                    accepted = self.partition.accepted(chain, address, direction)
                    yield from self._differences(address, direction, accepted, permitted)

    def _differences(
        self, address: int, direction: TrafficDirection, accepted: PeerMasks, permitted: PeerMasks
    ) -> Iterator[Violation]:
        addresses = self.partition.addresses
        own = addresses.mask(((address, address),))
        for index, traffic in enumerate(self.partition.traffic):
            differing = (accepted.get(index, 0) ^ permitted.get(index, 0)) & ~own
            for peer in addresses.addresses_in(differing) if differing else ():
                source, dest = (peer, address) if direction == "in" else (address, peer)
                yield from self._violation(source, dest, traffic)

    def _violation(self, source: int, dest: int, traffic: TrafficClass) -> Iterator[Violation]:
        """Evaluate one packet of a difference at both ends: the other end may refuse it, or may not filter at all."""
        sender, receiver = self._end_at.get(source), self._end_at.get(dest)
        if sender is receiver:
            return
        packet = Packet(
            sender.end if sender else OUTSIDE, receiver.end if receiver else OUTSIDE,
            source, dest, traffic.proto, traffic.dport, traffic.sport, traffic.icmp,
        )  # fmt: skip
        verdict, declared = evaluate(self.chains, packet), _declared(sender, receiver, packet, traffic)
        too_much, too_little = verdict.action == "ACCEPT" and not declared, verdict.action != "ACCEPT" and declared
        if (too_much and not self._is_tolerated(packet)) or (too_little and traffic.sport == EPHEMERAL):
            names = sender.name if sender else "outside", receiver.name if receiver else "outside"
            yield Violation(packet, verdict, *names, declared)

    def _is_tolerated(self, packet: Packet) -> bool:
        """Tell whether a tolerated rule decides on a packet, at either end."""
        origins = (verdict.origin for verdict in side_verdicts(self.chains, packet)) if self._tolerated else ()
        return any(origin and (origin.level, origin.position) in self._tolerated for origin in origins)


def _declared(
    sender: EndPermissions | None, receiver: EndPermissions | None, packet: Packet, traffic: TrafficClass
) -> Permission | None:
    """The permission of the receiver, or of the sender if only that filters; None if an end that filters has none."""
    sides = []
    if receiver:
        sides.append(next(matching_permissions(receiver.inbound, packet.source, traffic), None))
    if sender:
        sides.append(next(matching_permissions(sender.outbound, packet.dest, traffic), None))
    return sides[0] if sides and all(sides) else None
