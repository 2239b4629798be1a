"""Questions about connections: can this endpoint reach that one, by which rules, and which endpoints can.

The model gives the verdicts. The flows only explain where the inventory permits a connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from phoenix.estate import Estate
from phoenix.pve.firewall.model.chains import Chains, RuleChain
from phoenix.pve.firewall.model.configuration import Firewall, TrafficDirection
from phoenix.pve.firewall.model.evaluate import Packet, PacketEnd, PacketVerdict, chain_of, evaluate, evaluate_chain
from phoenix.pve.firewall.proof.address_classes import AddressClasses
from phoenix.pve.firewall.proof.permissions import host_permissions, matching_permissions
from phoenix.pve.firewall.proof.traffic_classes import TrafficClass
from phoenix.pve.firewall.query.answer import ConnectionAnswer, SideVerdict
from phoenix.pve.firewall.query.endpoints import (
    WORDS,
    QueryEndpoint,
    QuestionError,
    hosts_by_address,
    packet_end,
    parse_endpoint,
)


class Questions:
    """Questions about one firewall of one estate."""

    def __init__(self, estate: Estate, firewall: Firewall) -> None:
        self._estate = estate
        self._chains = Chains(firewall)
        self._hosts = hosts_by_address(estate)

    def why(self, source: QueryEndpoint, dest: QueryEndpoint, traffic: TrafficClass) -> tuple[ConnectionAnswer, ...]:
        """Explain a connection: one answer, or one for each part of a word's addresses that rules distinguish."""
        if source.host is None and dest.host is None:
            message = "the estate's firewall does not filter traffic between other machines"
            raise QuestionError(f"neither {source.name} nor {dest.name} is a host of the estate: {message}")
        answers: dict[tuple[object, ...], ConnectionAnswer] = {}
        for address in self._addresses(source, dest)[: 1 if source.host else None]:
            for answer in self._answers(source, dest, address, traffic):
                answers.setdefault((answer.verdict, *(side.verdict for side in answer.sides)), answer)
        if not answers:
            empty = source if source.host is None else dest
            raise QuestionError(f"every address of {empty.name} belongs to a host: name the host")
        return tuple(replace(answer, whole=len(answers) == 1) for answer in answers.values())

    def who_can(self, dest: QueryEndpoint, traffic: TrafficClass) -> tuple[ConnectionAnswer, ...]:
        """Find every host and word from which the connection can be opened."""
        words = WORDS if dest.host else ()
        names = (*words, *(host.name for host in self._estate.live() if host is not dest.host))
        sources = (parse_endpoint(self._estate, name) for name in names)
        return tuple(answer for source in sources for answer in self._open(source, dest, traffic))

    def _open(self, source: QueryEndpoint, dest: QueryEndpoint, traffic: TrafficClass) -> Iterator[ConnectionAnswer]:
        if source.host or self._addresses(source, dest):
            yield from (answer for answer in self.why(source, dest, traffic) if answer.is_open)

    def _answers(
        self, source: QueryEndpoint, dest: QueryEndpoint, address: int, traffic: TrafficClass
    ) -> Iterator[ConnectionAnswer]:
        """One answer per address of the destination; if it is a host, only one, preferably for an open address."""
        answers = [self._answer(source, dest, address, other, traffic) for other in self._addresses(dest, source)]
        if dest.host:
            yield next((answer for answer in answers if answer.is_open), answers[0])
        else:
            yield from answers

    def _addresses(self, one: QueryEndpoint, other: QueryEndpoint) -> tuple[int, ...]:
        """The addresses of an endpoint that the rules of the other one distinguish."""
        if one.host:
            return tuple(low for low, _ in one.addresses)
        rules = [rule for chain in self._chains_of(other) for rule in chain]
        sets = {parts for rule in rules for parts in (rule.match.source, rule.match.dest) if parts}
        classes = AddressClasses({*sets, one.addresses}, self._hosts)
        addresses = classes.addresses_in(classes.mask(one.addresses))
        return tuple(address for address in addresses if address not in self._hosts)

    def _chains_of(self, one: QueryEndpoint) -> Iterator[RuleChain]:
        directions: tuple[TrafficDirection, ...] = ("in", "out")
        address = one.addresses[0][0]
        for direction in directions:
            yield chain_of(self._chains, self._end(address), address, direction) or ()

    def _end(self, address: int) -> PacketEnd:
        return packet_end(self._hosts.get(address))

    def _answer(
        self, source: QueryEndpoint, dest: QueryEndpoint, source_address: int, dest_address: int, traffic: TrafficClass
    ) -> ConnectionAnswer:
        packet = Packet(
            self._end(source_address), self._end(dest_address), source_address, dest_address,
            traffic.proto, traffic.dport, icmp=traffic.icmp,
        )  # fmt: skip
        if source.host is dest.host:
            return ConnectionAnswer(source, dest, packet, PacketVerdict("ACCEPT"), ())
        sides = (*self._side(source, packet, "out", traffic), *self._side(dest, packet, "in", traffic))
        return ConnectionAnswer(source, dest, packet, evaluate(self._chains, packet), sides)

    def _side(
        self, one: QueryEndpoint, packet: Packet, direction: TrafficDirection, traffic: TrafficClass
    ) -> Iterator[SideVerdict]:
        inbound = direction == "in"
        own, peer = (packet.dest, packet.source) if inbound else (packet.source, packet.dest)
        chain = chain_of(self._chains, self._end(own), own, direction)
        if chain is not None and one.host:
            end = host_permissions(self._estate, one.host)
            permissions = matching_permissions(end.inbound if inbound else end.outbound, peer, traffic)
            flows = tuple(permission.flow for permission in permissions if permission.flow)
            yield SideVerdict(one.host.name, direction, evaluate_chain(chain, packet), flows)
