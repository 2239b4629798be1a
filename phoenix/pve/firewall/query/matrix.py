"""A firewall and some hosts → the connection attempts that show whether real packets agree with the model. Pure.

Between every two hosts every declared port is tried and a sample of the others. A full matrix tries every port that is
mentioned anywhere in the estate, and one that represents the ports that are not mentioned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from phoenix.derive.flows import flows
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Firewall
from phoenix.pve.firewall.model.evaluate import Packet, PacketVerdict, evaluate
from phoenix.pve.firewall.model.intervals import address_to_int, int_to_address
from phoenix.pve.firewall.model.lookup import parse_ports
from phoenix.pve.firewall.model.refusals import refusal_is_seen
from phoenix.pve.firewall.proof.permissions import PROXMOX_PORTS
from phoenix.pve.firewall.query.attempt import Attempt, AttemptResult, Observed
from phoenix.pve.firewall.query.endpoints import host_addresses, packet_end

LiveHost = Guest | Hypervisor
UNMENTIONED = (("tcp", 1), ("udp", 1))
"""They represent all ports that are not mentioned."""
DOCKER = (("tcp", 2375), ("tcp", 2376))
"""The ports of Docker's API, which gives root on its host."""
SAMPLE = 4
"""The number of closed ports that are tried between two hosts, unless the matrix is full."""


class Matrix:
    """The attempts between some hosts of an estate under a firewall."""

    def __init__(self, estate: Estate, firewall: Firewall, hosts: Iterable[LiveHost]) -> None:
        self._estate = estate
        self._chains = Chains(firewall)
        self.hosts = {host.name: host for host in hosts}
        self._ports = tuple(_ports_of_interest(estate))

    def attempts(self, *, full: bool) -> list[Attempt]:
        """Every attempt, by source."""
        pairs = ((source, dest) for source in self.hosts.values() for dest in self.hosts.values() if source is not dest)
        return [attempt for source, dest in pairs for attempt in self._between(source, dest, full=full)]

    def expected(self, attempt: Attempt) -> PacketVerdict:
        """The model's verdict on an attempt."""
        return evaluate(self._chains, self._packet(attempt))

    def compare(self, observed: Mapping[Attempt, Observed]) -> list[AttemptResult]:
        """Add the model's verdict to each observation."""
        return [self._result(attempt, one) for attempt, one in observed.items()]

    def sources(self, attempt: Attempt) -> tuple[str, ...]:
        """The addresses from which an attempt may come."""
        return tuple(map(str, map(int_to_address, host_addresses(self._estate, self.hosts[attempt.source]))))

    def _result(self, attempt: Attempt, observed: Observed) -> AttemptResult:
        packet = self._packet(attempt)
        expected = evaluate(self._chains, packet)
        seen = refusal_is_seen(self._chains, packet) if expected.action == "REJECT" else None
        return AttemptResult(attempt, expected, observed, seen)

    def _packet(self, attempt: Attempt) -> Packet:
        source, dest = self.hosts[attempt.source], self.hosts[attempt.dest]
        addresses = host_addresses(self._estate, source)[0], address_to_int(attempt.address)
        return Packet(packet_end(source), packet_end(dest), *addresses, attempt.proto, attempt.port)

    def _between(self, source: LiveHost, dest: LiveHost, *, full: bool) -> Iterator[Attempt]:
        for address in map(str, map(int_to_address, host_addresses(self._estate, dest))):
            every = [Attempt(source.name, dest.name, address, proto, port) for proto, port in self._ports]
            if full:
                yield from every
                continue
            closed = [attempt for attempt in every if self.expected(attempt).action != "ACCEPT"]
            sample = set(sorted(closed, key=_stable_random)[:SAMPLE])
            yield from (attempt for attempt in every if attempt in sample or attempt not in closed)


def _ports_of_interest(estate: Estate) -> Iterator[tuple[str, int]]:
    proxmox = [("tcp", low) for text in PROXMOX_PORTS for low, _ in parse_ports(text)]
    declared = [(flow.protocol, port) for flow in flows(estate) for span in flow.spans for port in span]
    services = [("tcp", service.port) for guest in estate.guests for service in guest.services.values()]
    yield from sorted({*declared, *services, *proxmox, *DOCKER, *UNMENTIONED})


def _stable_random(attempt: Attempt) -> bytes:
    """A sort key that is the same in every run and differs between every two hosts."""
    return sha256(f"{attempt.source} {attempt.address} {attempt.proto} {attempt.port}".encode()).digest()
