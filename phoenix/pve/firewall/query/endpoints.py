"""The text of a question → its endpoints (a host, an address, or a word for other addresses) and its traffic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from phoenix.derive.names import DnsRecord, View, records
from phoenix.errors import PhoenixError
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.evaluate import OUTSIDE, PacketEnd
from phoenix.pve.firewall.model.intervals import Intervals, address_to_int, parse_network, subtract
from phoenix.pve.firewall.model.lookup import MAX_PORT
from phoenix.pve.firewall.proof.permissions import addresses_of
from phoenix.pve.firewall.proof.traffic_classes import TrafficClass

WORDS = ("outside", "lan", "management")
"""Addresses that are no host's: the Internet's, those of the estate's network, and of the inventory's `management`."""


class QuestionError(PhoenixError):
    """A question about an unknown endpoint or port; the message lists what is known."""


@dataclass(frozen=True)
class QueryEndpoint:
    """One end of a question: a host with its addresses, the main one first, or the addresses that a word stands for.

    `via` is the DNS name by which the question names the host.
    """

    name: str
    addresses: Intervals
    host: Guest | Hypervisor | None = None
    via: str = ""


def hosts_by_address(estate: Estate) -> dict[int, Guest | Hypervisor]:
    """Every host, by each of its addresses."""
    return {address: host for host in estate.live() for address in host_addresses(estate, host)}


def host_addresses(estate: Estate, host: Guest | Hypervisor) -> tuple[int, ...]:
    """A host's addresses; first the one from which it connects to guests. A hypervisor has one for their resolver."""
    if isinstance(host, Guest):
        return (address_to_int(host.address),)
    every = (estate.inner_address(host), host.address, host.guest_resolver, *host.also)
    return tuple(dict.fromkeys(map(address_to_int, every)))


def packet_end(host: Guest | Hypervisor | None) -> PacketEnd:
    """A host as the sender or receiver of packets."""
    if host is None:
        return OUTSIDE
    return host.name if isinstance(host, Hypervisor) else host.vmid


def parse_endpoint(estate: Estate, text: str) -> QueryEndpoint:
    """Find the endpoint that a text names: a host, a word, an IPv4 address, or the machine behind a DNS name."""
    if text in WORDS:
        return QueryEndpoint(text, _addresses_of_word(estate, text))
    host = estate.by_name.get(text)
    if isinstance(host, Guest | Hypervisor):
        return _host_endpoint(estate, host)
    if host is not None:
        raise QuestionError(f"{text} is a template: it never runs and has no traffic; name a guest")
    try:
        return _at_address(estate, IPv4Address(text), text)
    except ValueError:
        record = _find_record(estate, text)
    provider = estate.by_name.get(record.origin[0]) if record.origin else None
    if isinstance(provider, Guest | Hypervisor):
        return _host_endpoint(estate, provider, record.name)
    return _at_address(estate, record.lan, text, record.name)


def parse_destination(estate: Estate, text: str, source: QueryEndpoint | None) -> QueryEndpoint:
    """Find the endpoint at which a source opens a connection to a text; a DNS name leads where the source's view says.

    Without a source, the name leads where machines outside the estate find it.
    """
    if text in WORDS or text in estate.by_name:
        return parse_endpoint(estate, text)
    try:
        return _at_address(estate, IPv4Address(text), text)
    except ValueError:
        record = _find_record(estate, text)
    view: View = "guest" if source and source.host else "lan"
    return _at_address(estate, record.address(view), text, record.name)


def _host_endpoint(estate: Estate, host: Guest | Hypervisor, via: str = "") -> QueryEndpoint:
    addresses = tuple((address, address) for address in host_addresses(estate, host))
    return QueryEndpoint(host.name, addresses, host, via)


def _at_address(estate: Estate, address: IPv4Address, text: str, via: str = "") -> QueryEndpoint:
    number = address_to_int(address)
    owner = hosts_by_address(estate).get(number)
    return QueryEndpoint(owner.name if owner else text, ((number, number),), owner, via)


def _find_record(estate: Estate, text: str) -> DnsRecord:
    """Find the record of a label of the zone or of a full name."""
    name = text.rstrip(".").lower()
    name = name if "." in name else estate.fqdn(name)
    for record in records(estate):
        if record.name == name:
            return record
    hosts = ", ".join(one.name for one in estate.live())
    known = f"a host ({hosts}), a service or another DNS name, one of {', '.join(WORDS)}, or an IPv4 address"
    raise QuestionError(f"{text!r} is not an endpoint of the estate: name {known}") from None


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
    addresses = ((low + 1, high - 1),) if word == "lan" else addresses_of(estate, "internet")
    for hole in managers:
        addresses = subtract(addresses, hole)
    return addresses
