"""What an operator asks of a firewall: may this one reach that one, by which rules, and who can at all.

Verdicts are the model's. The flows only say where the inventory means it so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from phoenix.derive.flows import Flow
from phoenix.estate import Estate, Hypervisor
from phoenix.pve.firewall.model.chains import Chain, Chains
from phoenix.pve.firewall.model.configuration import Direction, Firewall
from phoenix.pve.firewall.model.evaluate import OUTSIDE, End, Packet, Verdict, chain_of, decide, judge
from phoenix.pve.firewall.proof.partition import Line, Service
from phoenix.pve.firewall.proof.permissions import judged, permissions
from phoenix.pve.firewall.query.endpoints import WORDS, Party, QuestionError, owners, party


@dataclass(frozen=True)
class Side:
    """What a host that filters says of a packet, and the flows that allow it there."""

    host: str
    direction: Direction
    verdict: Verdict
    flows: tuple[Flow, ...]


@dataclass(frozen=True)
class Answer:
    """One packet between two ends: the verdict, and what each side that filters says.

    It stands for all addresses of both, unless it is not `whole`: then for those that are treated like these.
    """

    source: Party
    dest: Party
    packet: Packet
    verdict: Verdict
    sides: tuple[Side, ...]
    whole: bool = True

    @property
    def is_open(self) -> bool:
        """Tell whether the connection can be opened."""
        return self.verdict.action == "ACCEPT"

    @property
    def flow(self) -> Flow | None:
        """The flow that says so: one of both sides if there is one."""
        said = [side.flows for side in self.sides if side.flows]
        common = [flow for flow in said[0] if all(flow in other for other in said)] if said else []
        return next(iter(common or (said[-1] if said else ())), None)


class Questions:
    """Questions about one firewall of one estate."""

    def __init__(self, estate: Estate, firewall: Firewall) -> None:
        self._estate = estate
        self._chains = Chains(firewall)
        self._owners = owners(estate)

    def why(self, source: Party, dest: Party, service: Service) -> tuple[Answer, ...]:
        """What becomes of a connection: one answer, or one for each part of a word that is treated differently."""
        if source.host is None and dest.host is None:
            message = f"neither {source.name} nor {dest.name} is a host of the estate: its firewall has no say there"
            raise QuestionError(message)
        found: dict[tuple[object, ...], Answer] = {}
        for place in self._places(source, dest)[: 1 if source.host else None]:
            for answer in self._answers(source, dest, place, service):
                found.setdefault((answer.verdict, *(side.verdict for side in answer.sides)), answer)
        if not found:
            empty = source if source.host is None else dest
            raise QuestionError(f"all addresses of {empty.name} are those of hosts: ask about a host")
        return tuple(replace(answer, whole=len(found) == 1) for answer in found.values())

    def who_can(self, dest: Party, service: Service) -> tuple[Answer, ...]:
        """Every host and every word from which a connection can be opened."""
        words = WORDS if dest.host else ()
        names = (*words, *(host.name for host in self._estate.live() if host is not dest.host))
        return tuple(answer for name in names for answer in self._open(party(self._estate, name), dest, service))

    def _open(self, source: Party, dest: Party, service: Service) -> Iterator[Answer]:
        if source.host or self._places(source, dest):
            yield from (answer for answer in self.why(source, dest, service) if answer.is_open)

    def _answers(self, source: Party, dest: Party, place: int, service: Service) -> Iterator[Answer]:
        """One for each address of the destination; of a host's, one that can be reached counts."""
        answers = [self._answer(source, dest, place, other, service) for other in self._places(dest, source)]
        if dest.host:
            yield next((answer for answer in answers if answer.is_open), answers[0])
        else:
            yield from answers

    def _places(self, one: Party, other: Party) -> tuple[int, ...]:
        """The addresses of an end that the rules of the other end can tell apart."""
        if one.host:
            return tuple(low for low, _ in one.addresses)
        steps = [step for chain in self._chains_of(other) for step in chain]
        sets = {parts for step in steps for parts in (step.match.source, step.match.dest) if parts}
        line = Line({*sets, one.addresses}, self._owners)
        return tuple(place for place in line.of(line.mask(one.addresses)) if place not in self._owners)

    def _chains_of(self, one: Party) -> Iterator[Chain]:
        directions: tuple[Direction, ...] = ("in", "out")
        for direction in directions:
            yield chain_of(self._chains, self._end(one.addresses[0][0]), one.addresses[0][0], direction) or ()

    def _end(self, place: int) -> End:
        host = self._owners.get(place)
        return OUTSIDE if host is None else host.name if isinstance(host, Hypervisor) else host.vmid

    def _answer(self, source: Party, dest: Party, here: int, there: int, service: Service) -> Answer:
        packet = Packet(
            self._end(here), self._end(there), here, there,
            service.proto, service.dport, icmp=service.icmp,
        )  # fmt: skip
        if source.host is dest.host:
            return Answer(source, dest, packet, Verdict("ACCEPT"), ())
        sides = (*self._side(source, packet, "out", service), *self._side(dest, packet, "in", service))
        return Answer(source, dest, packet, judge(self._chains, packet), sides)

    def _side(self, one: Party, packet: Packet, direction: Direction, service: Service) -> Iterator[Side]:
        inward = direction == "in"
        own, peer = (packet.dest, packet.source) if inward else (packet.source, packet.dest)
        chain = chain_of(self._chains, self._end(own), own, direction)
        if chain is not None and one.host:
            said = judged(self._estate, one.host)
            allowed = permissions(said.inbound if inward else said.outbound, peer, service)
            flows = tuple(one.flow for one in allowed if one.flow)
            yield Side(one.host.name, direction, decide(chain, packet), flows)
