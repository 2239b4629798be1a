"""Who tries to reach whom, to see whether packets are treated as the model says: attempts, and what they show. Pure.

Between every two hosts every declared port is tried and some that are not. In full it is every port that anything in
the estate mentions, and one that stands for all that nothing mentions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from phoenix.derive.flows import flows
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Firewall
from phoenix.pve.firewall.model.evaluate import End, Packet, Verdict, judge
from phoenix.pve.firewall.model.intervals import number
from phoenix.pve.firewall.model.lookup import ports
from phoenix.pve.firewall.proof.permissions import PROXMOX

Host = Guest | Hypervisor
Outcome = Literal["open", "refused", "dropped", "unreachable", "untried"]
NOBODYS = (("tcp", 1), ("udp", 1))
"""They stand for all that nothing mentions."""
DOCKER = (("tcp", 2375), ("tcp", 2376))
"""Docker's own ports: whoever reaches them has the host."""
SAMPLE = 4
"""So many ports that are not declared are tried between two hosts, where not all are."""


@dataclass(frozen=True, order=True)
class Attempt:
    """A connection from one host, by name, to an address of another."""

    source: str
    dest: str
    address: str
    proto: str
    port: int


@dataclass(frozen=True)
class Tried:
    """An attempt, what the model says of it, and what became of it."""

    attempt: Attempt
    expected: Verdict
    outcome: Outcome

    @property
    def agrees(self) -> bool:
        """Tell whether packets are treated as the model says.

        A port at which nobody listens refuses as well as a rule does. Over UDP silence says nothing.
        """
        if self.expected.action == "ACCEPT":
            return self.outcome in ("open", "refused") or (self.attempt.proto == "udp" and self.outcome == "dropped")
        return self.outcome == ("refused" if self.expected.action == "REJECT" else "dropped")

    def __str__(self) -> str:
        one, by = self.attempt, self.expected.origin or "nothing, for nothing filters it"
        ends = f"{one.source} → {one.dest}, {one.port}/{one.proto} at {one.address}"
        return f"{ends}: the model says {self.expected.action} by {by}, the packets {self.outcome.upper()}"


def surprises(tried: Iterable[Tried]) -> list[Tried]:
    """Those that show that packets are treated otherwise than the model says."""
    every = tuple(tried)
    quiet = silent(every)
    return [one for one in every if one.outcome != "untried" and not one.agrees and one.attempt.dest not in quiet]


def silent(tried: Iterable[Tried]) -> set[str]:
    """Hosts that nobody can enter and that answer nobody: they hang or are down, and show nothing of a firewall."""
    every = tuple(tried)
    entered = {one.attempt.source for one in every if one.outcome != "untried"}
    answering = {one.attempt.dest for one in every if one.outcome in ("open", "refused")}
    return {one.attempt.source for one in every} - entered - answering


class Matrix:
    """The attempts between some hosts of an estate under a firewall."""

    def __init__(self, estate: Estate, firewall: Firewall, hosts: Iterable[Host]) -> None:
        self._estate = estate
        self._chains = Chains(firewall)
        self._hosts = tuple(hosts)
        self._universe = tuple(_universe(estate))

    def attempts(self, *, full: bool) -> list[Attempt]:
        """Every attempt, by source."""
        pairs = ((source, dest) for source in self._hosts for dest in self._hosts if source is not dest)
        return [one for source, dest in pairs for one in self._between(source, dest, full=full)]

    def expected(self, attempt: Attempt) -> Verdict:
        """What the model says of an attempt."""
        source, dest = self._estate.by_name[attempt.source], self._estate.by_name[attempt.dest]
        assert isinstance(source, Host) and isinstance(dest, Host)  # noqa: S101, PT018  # attempts are between those
        here, there = number(source.address), number(attempt.address)
        return judge(self._chains, Packet(_end(source), _end(dest), here, there, attempt.proto, attempt.port))

    def compared(self, outcomes: Mapping[Attempt, Outcome]) -> list[Tried]:
        """Attempts with what became of them."""
        return [Tried(attempt, self.expected(attempt), outcome) for attempt, outcome in outcomes.items()]

    def _between(self, source: Host, dest: Host, *, full: bool) -> Iterator[Attempt]:
        for address in _addresses(dest):
            every = [Attempt(source.name, dest.name, address, proto, port) for proto, port in self._universe]
            if full:
                yield from every
                continue
            closed = [attempt for attempt in every if self.expected(attempt).action != "ACCEPT"]
            sample = set(sorted(closed, key=_by_chance)[:SAMPLE])
            yield from (attempt for attempt in every if attempt in sample or attempt not in closed)


def _universe(estate: Estate) -> Iterator[tuple[str, int]]:
    proxmox = [("tcp", low) for text in PROXMOX for low, _ in ports(text)]
    said = [(flow.protocol, port) for flow in flows(estate) for port in flow.ports]
    services = [("tcp", service.port) for guest in estate.guests for service in guest.services.values()]
    yield from sorted({*said, *services, *proxmox, *DOCKER, *NOBODYS})


def _by_chance(attempt: Attempt) -> bytes:
    """The same every time, and different between every two hosts."""
    return sha256(f"{attempt.source} {attempt.address} {attempt.proto} {attempt.port}".encode()).digest()


def _addresses(host: Host) -> tuple[str, ...]:
    resolver = (str(host.guest_resolver),) if isinstance(host, Hypervisor) else ()
    return (str(host.address), *resolver)


def _end(host: Host) -> End:
    return host.name if isinstance(host, Hypervisor) else host.vmid
