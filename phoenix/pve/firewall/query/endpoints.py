"""The text of a question → its endpoints (a host, an address, or a word for other addresses) and its traffic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from phoenix.errors import PhoenixError
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.evaluate import OUTSIDE, PacketEnd
from phoenix.pve.firewall.model.intervals import ANY_V4, Intervals, address_to_int, parse_network, subtract
from phoenix.pve.firewall.model.lookup import MAX_PORT
from phoenix.pve.firewall.proof.permissions import addresses_of
from phoenix.pve.firewall.proof.traffic_classes import TrafficClass

WORDS = ("outside", "lan", "management")
"""Addresses that are no host's: beyond the estate's network, in it, and those of the inventory's `management`."""


class QuestionError(PhoenixError):
    """A question about an unknown endpoint or port; the message lists what is known."""


@dataclass(frozen=True)
class QueryEndpoint:
    """One end of a question: a host with its addresses, the main one first, or the addresses that a word stands for."""

    name: str
    addresses: Intervals
    host: Guest | Hypervisor | None = None


def hosts_by_address(estate: Estate) -> dict[int, Guest | Hypervisor]:
    """Every host, by each of its addresses."""
    return {address: host for host in estate.live() for address in host_addresses(host)}


def host_addresses(host: Guest | Hypervisor) -> tuple[int, ...]:
    """A host's addresses, the main one first; a hypervisor has a second one for the guests' resolver."""
    resolver = (host.guest_resolver,) if isinstance(host, Hypervisor) else ()
    return tuple(address_to_int(address) for address in (host.address, *resolver))


def packet_end(host: Guest | Hypervisor | None) -> PacketEnd:
    """A host as the sender or receiver of packets."""
    if host is None:
        return OUTSIDE
    return host.name if isinstance(host, Hypervisor) else host.vmid


def parse_endpoint(estate: Estate, text: str) -> QueryEndpoint:
    """Find the endpoint that a text names: a host, a word, or an IPv4 address."""
    if text in WORDS:
        return QueryEndpoint(text, _addresses_of_word(estate, text))
    host = estate.by_name.get(text)
    if isinstance(host, Guest | Hypervisor):
        return QueryEndpoint(text, tuple((address, address) for address in host_addresses(host)), host)
    if host is not None:
        raise QuestionError(f"{text} is a template: it never runs and has no traffic; name a guest")
    try:
        address = address_to_int(IPv4Address(text))
    except ValueError:
        names = ", ".join(one.name for one in estate.live())
        known = f"a host ({names}), one of {', '.join(WORDS)}, or an IPv4 address"
        raise QuestionError(f"{text!r} is not an endpoint of the estate: name {known}") from None
    owner = hosts_by_address(estate).get(address)
    return QueryEndpoint(owner.name if owner else text, ((address, address),), owner)


def parse_traffic(text: str) -> TrafficClass:
    """Read a port as `443` (TCP) or `53/udp`, or `icmp` for echo requests."""
    if text == "icmp":
        return TrafficClass("icmp", icmp="echo-request")
    match = re.fullmatch(r"(\d{1,5})(?:/(tcp|udp))?", text, re.ASCII)
    if not match or not 1 <= int(match[1]) <= MAX_PORT:
        raise QuestionError(f"{text!r} is not a port: write 443, 53/udp or icmp")
    return TrafficClass(match[2] or "tcp", int(match[1]))


def format_traffic(traffic: TrafficClass) -> str:
    """Write traffic as `parse_traffic` reads it."""
    return traffic.proto if traffic.icmp else f"{traffic.dport}/{traffic.proto}"


def _addresses_of_word(estate: Estate, word: str) -> Intervals:
    managers = addresses_of(estate, "management")
    if word == "management":
        return managers
    low, high = parse_network(str(estate.settings.network.subnet))
    # The first and the last address of a network belong to no host.
    addresses = ((low + 1, high - 1),) if word == "lan" else subtract(ANY_V4, (low, high))
    for hole in managers:
        addresses = subtract(addresses, hole)
    return addresses
