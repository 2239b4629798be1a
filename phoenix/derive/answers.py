"""What the two views of the estate's names answer to a question, and why. Pure: dnsmasq is not asked."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from phoenix.derive.names import VIEWS, Record, own_zones, pointers, records, reverse_name
from phoenix.estate import Estate


@dataclass(frozen=True)
class Answer:
    """What each view answers: an address, for an address a name, or None if it has neither.

    `why` is for a person. `record` is the one that decides, None for what nobody declared.
    """

    name: str
    lan: str | None
    guest: str | None
    why: str
    record: Record | None = None


def answer(estate: Estate, asked: str) -> Answer:
    """Answer a question for a name or, backwards, for an address.

    A single word is taken as a label of the zone, as resolvers here do.
    """
    try:
        return _backwards(estate, IPv4Address(asked))
    except AddressValueError:
        return _forwards(estate, asked)


def is_outside(estate: Estate, found: Answer) -> bool:
    """Tell whether an answer comes from other name servers."""
    return found.record is None and _own_zone(estate, found.name) is None


def _forwards(estate: Estate, name: str) -> Answer:
    full = name.rstrip(".").lower()
    full = full if "." in full else estate.fqdn(full)
    record = next((one for one in records(estate) if one.name == full), None)
    if record:
        return Answer(full, str(record.lan), str(record.guest), record.purpose, record)
    return _undeclared(estate, full)


def _backwards(estate: Estate, address: IPv4Address) -> Answer:
    found = {view: record for view in VIEWS if (record := pointers(estate, view).get(address))}
    names = {view: record.name for view, record in found.items()}
    full = reverse_name(address)
    for record in found.values():
        return Answer(full, names.get("lan"), names.get("guest"), record.purpose, record)
    return _undeclared(estate, full)


def _undeclared(estate: Estate, full: str) -> Answer:
    zone = _own_zone(estate, full)
    if zone:
        return Answer(full, None, None, f"nobody declares it, and {zone} is answered here alone: it is never forwarded")
    servers = " or ".join(map(str, estate.settings.network.upstream_dns))
    return Answer(full, None, None, f"it is in no zone of the estate: {servers} is asked")


def _own_zone(estate: Estate, name: str) -> str | None:
    return next((zone for zone in own_zones(estate) if name == zone or name.endswith(f".{zone}")), None)
