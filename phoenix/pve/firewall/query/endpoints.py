"""The ends that a question about the firewall names: hosts, addresses, and words for everybody else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.intervals import ANY_V4, Intervals, network, number, without
from phoenix.pve.firewall.proof.partition import HIGHEST_PORT, Service
from phoenix.pve.firewall.proof.permissions import addresses_of

WORDS = ("outside", "lan", "management")
"""Who is no host: the world beyond the estate's network, that network's other addresses, and those who manage."""


class QuestionError(Exception):
    """A question about what is not there; the message says what is."""


@dataclass(frozen=True)
class Party:
    """One end of a question: a host with its addresses, the first its own, or the addresses that a word stands for."""

    name: str
    addresses: Intervals
    host: Guest | Hypervisor | None = None


def owners(estate: Estate) -> dict[int, Guest | Hypervisor]:
    """Every host by its addresses."""
    return {place: host for host in estate.live() for place in _places(host)}


def party(estate: Estate, text: str) -> Party:
    """The end that a text names."""
    if text in WORDS:
        return Party(text, _addresses_of_word(estate, text))
    host = estate.by_name.get(text)
    if isinstance(host, Guest | Hypervisor):
        return Party(text, tuple((place, place) for place in _places(host)), host)
    if host is not None:
        raise QuestionError(f"{text} is a template: it never runs, and no packet is ever its own")
    try:
        place = number(IPv4Address(text))
    except ValueError:
        names = ", ".join(one.name for one in estate.live())
        known = f"hosts are {names}; beside them there are {', '.join(WORDS)}, and IPv4 addresses"
        raise QuestionError(f"{text!r} is nothing of the estate: {known}") from None
    owner = owners(estate).get(place)
    return Party(owner.name if owner else text, ((place, place),), owner)


def service(text: str) -> Service:
    """What `443`, `53/udp` or `icmp` asks for."""
    if text == "icmp":
        return Service("icmp", icmp="echo-request")
    found = re.fullmatch(r"(\d{1,5})(?:/(tcp|udp))?", text, re.ASCII)
    if not found or not 1 <= int(found[1]) <= HIGHEST_PORT:
        raise QuestionError(f"{text!r} is no port: say 443, 53/udp or icmp")
    return Service(found[2] or "tcp", int(found[1]))


def spell(asked: Service) -> str:
    """A service as it is asked for."""
    return asked.proto if asked.icmp else f"{asked.dport}/{asked.proto}"


def _places(host: Guest | Hypervisor) -> tuple[int, ...]:
    resolver = (host.guest_resolver,) if isinstance(host, Hypervisor) else ()
    return tuple(number(address) for address in (host.address, *resolver))


def _addresses_of_word(estate: Estate, word: str) -> Intervals:
    managers = addresses_of(estate, "management")
    if word == "management":
        return managers
    low, high = network(str(estate.settings.network.subnet))
    # The first and the last address of a network are nobody's.
    found = ((low + 1, high - 1),) if word == "lan" else without(ANY_V4, (low, high))
    for hole in managers:
        found = without(found, hole)
    return found
