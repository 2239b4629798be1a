"""The proof: a firewall lets through exactly what an estate's flows say, between every pair of ends, for every service.

Each end's chains are evaluated once for all addresses and services that can be told apart, with sets of addresses as
the bits of a number. Where a chain differs from what is declared, the packets of the difference are judged one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from phoenix.estate import Estate
from phoenix.pve.firewall.model.chains import Chain, Chains, Skipped
from phoenix.pve.firewall.model.configuration import Direction, Firewall
from phoenix.pve.firewall.model.evaluate import EPHEMERAL, OUTSIDE, Packet, Verdict, chain_of, judge, verdicts
from phoenix.pve.firewall.model.match import Match
from phoenix.pve.firewall.proof.partition import Line, Service, services
from phoenix.pve.firewall.proof.permissions import Allowed, Judged, declared, permissions

MOST_VIOLATIONS = 100
"""So many are shown; what is wrong at one place is often wrong at all."""
Masks = dict[int, int]
"""For each service by its number the addresses at the other side, as bits of the line."""


@dataclass(frozen=True)
class Violation:
    """A packet that is let through and should not be, or the other way round, and what is declared of it."""

    packet: Packet
    verdict: Verdict
    sender: str
    receiver: str
    declared: Allowed | None

    def __str__(self) -> str:
        decided = self.verdict.origin or "nothing, for nothing filters it"
        flow = self.declared.flow if self.declared else None
        said = f"declared ({flow.purpose})" if flow else "declared" if self.declared else "not declared"
        ends = f"{self.sender} → {self.receiver}"
        return f"{ends}: {self.packet} is {said}, and the firewall says {self.verdict.action}; decided by {decided}"


@dataclass(frozen=True)
class Proof:
    """What was looked at, and what is wrong: an estate is proved if there are no violations and no skipped rules."""

    ends: int
    services: int
    addresses: int
    violations: tuple[Violation, ...]
    skipped: tuple[Skipped, ...]

    @property
    def holds(self) -> bool:
        """Tell whether allowed is declared, everywhere."""
        return not self.violations and not self.skipped


def prove(estate: Estate, firewall: Firewall, meant: frozenset[tuple[str, int]] = frozenset()) -> Proof:
    """Compare a firewall with what the estate's flows say; `meant` are rules, by level and position, that may open."""
    proof = _Proof(estate, Chains(firewall), meant)
    found = tuple(violation for violation, _ in zip(proof.violations(), range(MOST_VIOLATIONS), strict=False))
    sizes = len(proof.ends), len(proof.services), len(proof.line.addresses)
    return Proof(*sizes, found, tuple(proof.chains.skipped))


class _Proof:
    def __init__(self, estate: Estate, chains: Chains, meant: frozenset[tuple[str, int]]) -> None:
        self.chains = chains
        self._meant = meant
        self.ends = declared(estate)
        self.names = {address: judged for judged in self.ends for address in judged.addresses}
        steps = [step for judged in self.ends for chain in self._chains(judged) for step in chain or ()]
        said = [allowed for judged in self.ends for allowed in (*judged.inbound, *judged.outbound)]
        sets = {parts for step in steps for parts in (step.match.source, step.match.dest, step.match.not_source)}
        known = {parts for parts in (*sets, *(allowed.peers for allowed in said)) if parts}
        self.line = Line(known, self.names)
        matches = {match.service for match in (*(s.match for s in steps), *(a.match for a in said))}
        opening = {step.match.service for step in steps if step.action == "ACCEPT"}
        self.services = services(matches, opening)
        self._numbers = {match: self._fitting(match) for match in matches}

    def violations(self) -> Iterator[Violation]:
        """Every packet of the partition that is not treated as declared."""
        for judged in self.ends:
            sides: tuple[tuple[Direction, tuple[Allowed, ...]], ...] = (
                ("in", judged.inbound),
                ("out", judged.outbound),
            )
            for direction, allowed in sides:
                wanted = self._declared(allowed)
                for address in judged.addresses:
                    found = self._found(judged, address, direction)
                    yield from self._differences(address, direction, found, wanted)

    def _chains(self, judged: Judged) -> tuple[Chain | None, Chain | None]:
        end, address = judged.end, judged.addresses[0]
        return chain_of(self.chains, end, address, "in"), chain_of(self.chains, end, address, "out")

    def _fitting(self, match: Match) -> tuple[int, ...]:
        return tuple(number for number, service in enumerate(self.services) if service.is_in(match))

    def _declared(self, said: Iterable[Allowed]) -> Masks:
        masks: Masks = {}
        for allowed in said:
            peers = self.line.mask(allowed.peers)
            for number in self._numbers[allowed.match.service]:
                masks[number] = masks.get(number, 0) | peers
        return masks

    def _found(self, judged: Judged, address: int, direction: Direction) -> Masks:
        """What a chain lets through, with an address of its end at the near side."""
        chain = chain_of(self.chains, judged.end, address, direction)
        everybody = self.line.everybody
        if chain is None:
            return dict.fromkeys(range(len(self.services)), everybody)
        near, far = ("dest", "source") if direction == "in" else ("source", "dest")
        own = self.line.mask(((address, address),))
        masks: Masks = {}
        undecided: Masks = {}
        for step in chain:
            numbers = self._numbers[step.match.service]
            if not numbers or step.match.not_mac or not self.line.mask(getattr(step.match, near)) & own:
                continue
            peers = self.line.mask(getattr(step.match, far))
            if step.match.not_source is not None:
                outside = everybody & ~self.line.mask(step.match.not_source)
                peers = peers & outside if direction == "in" else peers if outside & own else 0
            accepts = step.action == "ACCEPT"
            for number in numbers:
                open_ = undecided.get(number, everybody)
                if accepts and open_ & peers:
                    masks[number] = masks.get(number, 0) | open_ & peers
                undecided[number] = open_ & ~peers
        return masks

    def _differences(self, address: int, direction: Direction, found: Masks, wanted: Masks) -> Iterator[Violation]:
        own = self.line.mask(((address, address),))
        for number, service in enumerate(self.services):
            differing = (found.get(number, 0) ^ wanted.get(number, 0)) & ~own
            for peer in self.line.of(differing) if differing else ():
                ends = (peer, address) if direction == "in" else (address, peer)
                yield from self._judged(*ends, service)

    def _judged(self, source: int, dest: int, service: Service) -> Iterator[Violation]:
        """One packet of a difference: the other end may refuse it, or not be filtered at all."""
        sender, receiver = self.names.get(source), self.names.get(dest)
        if sender is receiver:
            return
        packet = Packet(
            sender.end if sender else OUTSIDE, receiver.end if receiver else OUTSIDE,
            source, dest, service.proto, service.dport, service.sport, service.icmp,
        )  # fmt: skip
        verdict = judge(self.chains, packet)
        said = self._said(sender, receiver, packet, service)
        too_much, too_little = verdict.action == "ACCEPT" and not said, verdict.action != "ACCEPT" and said
        if (too_much and not self._is_meant(packet)) or (too_little and service.sport == EPHEMERAL):
            names = sender.name if sender else "outside", receiver.name if receiver else "outside"
            yield Violation(packet, verdict, *names, said)

    def _is_meant(self, packet: Packet) -> bool:
        """Tell whether one of those rules lets a packet through, at either end."""
        origins = (verdict.origin for verdict in verdicts(self.chains, packet)) if self._meant else ()
        return any(origin and (origin.level, origin.position) in self._meant for origin in origins)

    def _said(self, sender: Judged | None, receiver: Judged | None, packet: Packet, service: Service) -> Allowed | None:
        """The permission that both ends have, or the one end that is filtered; None where one of them has none."""
        sides = []
        if receiver:
            sides.append(next(permissions(receiver.inbound, packet.source, service), None))
        if sender:
            sides.append(next(permissions(sender.outbound, packet.dest, service), None))
        return sides[0] if sides and all(sides) else None
