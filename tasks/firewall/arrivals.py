"""Observe at the receivers which connections arrive, while senders try them (ADR 25).

A guest is observed at its interface, in front of its own packet filter, a node behind its filter: that is where the
firewall of Proxmox has decided. Observers open no port, so that they cannot take one from a program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product

from phoenix.connections.ssh import ConnectionFailedError
from phoenix.estate import Estate
from phoenix.pve.firewall.query.attempt import Attempt
from phoenix.tasks.firewall.carriers import Shells, carriers, is_node
from phoenix.tasks.support.at_once import at_once
from phoenix.templating import program, shell_program

ANSWER_SECONDS = 20
"""The most seconds in which a shell starts or collects its observers."""
COMPLETE = ("complete",)


@dataclass
class Arrivals:
    """What arrived: for each host that was observed without a gap, protocol, source, address and port."""

    seen: dict[str, frozenset[tuple[str, ...]]] = field(default_factory=dict)

    def arrived(self, attempt: Attempt, sources: Iterable[str]) -> bool | None:
        """Tell whether a packet of an attempt arrived from any of its sources; None if that was not observed."""
        if attempt.dest not in self.seen:
            return None
        kinds = product((attempt.proto,), sources, (attempt.address,), (str(attempt.port),))
        return not self.seen[attempt.dest].isdisjoint(kinds)


@contextmanager
def observing(
    estate: Estate, hosts: Iterable[str], udp: Iterable[int], shells: Shells, seconds: int
) -> Iterator[Arrivals]:
    """Observe hosts during the block, which lasts at most these seconds; the arrivals are known after it.

    A host that cannot be observed to the end is left out.
    """
    lifetime = seconds + 2 * ANSWER_SECONDS
    observer = _Observer(estate, carriers(estate, hosts), shells, tuple(sorted(udp)), lifetime)
    arrivals = Arrivals()
    folders = at_once(observer.start, observer.places)
    try:
        yield arrivals
    finally:
        collected = at_once(lambda carrier: observer.collect(carrier, folders[carrier]), observer.places)
        for carrier, lines in collected.items():
            arrivals.seen |= read_arrivals(lines, observer.places[carrier])


def read_arrivals(lines: Iterable[str], hosts: Iterable[str]) -> dict[str, frozenset[tuple[str, ...]]]:
    """Parse the lines of collected observers; a host whose observer missed packets or did not end is left out.

    `hosts` are those of the shell that printed the lines: a machine reports on itself alone.
    """
    by_host: dict[str, set[tuple[str, ...]]] = {host: set() for host in hosts}
    for name, *what in filter(None, map(str.split, lines)):
        if name in by_host:
            by_host[name].add(tuple(what))
    return {name: frozenset(seen) for name, seen in by_host.items() if COMPLETE in seen}


@dataclass(frozen=True)
class _Observer:
    estate: Estate
    places: dict[str, dict[str, str]]
    shells: Shells
    ports: tuple[int, ...]
    lifetime: int

    def start(self, carrier: str) -> str:
        """Start the observers of a carrier; return the folder of their results, empty if that fails."""
        return "".join(self._run(carrier, "start")).strip()

    def collect(self, carrier: str, folder: str) -> list[str]:
        """End the observers of a carrier and return their lines."""
        return self._run(carrier, "collect", folder) if folder else []

    def _run(self, carrier: str, action: str, folder: str = "") -> list[str]:
        script = shell_program(
            "firewall/arrivals.sh",
            action=action,
            folder=folder,
            seconds=self.lifetime,
            ports=self.ports,
            hosts=(f"{name}={vmid or self._own(name)}" for name, vmid in self.places[carrier].items()),
            program=program("firewall/arrivals.pl"),
        )
        try:
            return self.shells(carrier).run(script, ANSWER_SECONDS).out.splitlines()
        except ConnectionFailedError:
            return []

    def _own(self, name: str) -> str:
        return "socket" if is_node(self.estate, name) else "interface"
