"""Estate → the answer of both DNS views to a query, and the reason. It is pure: dnsmasq is not queried."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from phoenix.derive.names import VIEWS, DnsRecord, answered_zones, ptr_records, records, reverse_name
from phoenix.estate import Estate
from phoenix.estate.domains import domain_of


@dataclass(frozen=True)
class NameAnswer:
    """The answer of each view: an address for a name, a name for an address, or None if the view has no answer.

    `why` is for a person. `record` is the record that determines the answer, None if no record exists.
    """

    name: str
    lan: str | None
    guest: str | None
    why: str
    record: DnsRecord | None = None


def answer(estate: Estate, query: str) -> NameAnswer:
    """Answer a query for a name (A), or for an address (PTR).

    A single label is completed with the zone, as the estate's resolvers do.
    """
    try:
        return _reverse_lookup(estate, IPv4Address(query))
    except AddressValueError:
        return _forward_lookup(estate, query)


def is_outside(estate: Estate, response: NameAnswer) -> bool:
    """Report whether the upstream name servers give the answer."""
    return response.record is None and _own_zone(estate, response.name) is None


def _forward_lookup(estate: Estate, name: str) -> NameAnswer:
    full = name.rstrip(".").lower()
    full = full if "." in full else estate.fqdn(full)
    record = next((one for one in records(estate) if one.name == full), None)
    if record:
        return NameAnswer(full, str(record.lan), str(record.guest), record.purpose, record)
    return _undeclared(estate, full)


def _reverse_lookup(estate: Estate, address: IPv4Address) -> NameAnswer:
    by_view = {view: record for view in VIEWS if (record := ptr_records(estate, view).get(address))}
    names = {view: record.name for view, record in by_view.items()}
    full = reverse_name(address)
    for record in by_view.values():
        return NameAnswer(full, names.get("lan"), names.get("guest"), record.purpose, record)
    return _undeclared(estate, full)


def _undeclared(estate: Estate, full: str) -> NameAnswer:
    zone, servers = _own_zone(estate, full), " or ".join(map(str, estate.settings.network.upstream_dns))
    if zone:
        return NameAnswer(full, None, None, f"the inventory does not declare it; queries for {zone} are not forwarded")
    forwarded = domain_of(full, estate.settings.forward)
    reason = f"`forward` names {forwarded}" if forwarded else "it is in no zone of the estate"
    return NameAnswer(full, None, None, f"{reason}; queries are forwarded to {servers}")


def _own_zone(estate: Estate, name: str) -> str | None:
    """The domain of the estate that a name is in, None if its queries are forwarded."""
    own, forwarded = answered_zones(estate), estate.settings.forward
    domain = domain_of(name, (*own, *forwarded))
    return domain if domain in own else None
