"""What the two views of the estate's names answer to a question, and why. Pure: dnsmasq is not asked."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from phoenix.derive.names import Record, records
from phoenix.estate import Estate


@dataclass(frozen=True)
class Answer:
    """What each view answers: an address, or None if it has none; `why` is for a person.

    `record` is the one that decides, None for a name that nobody declared.
    """

    name: str
    lan: IPv4Address | None
    guest: IPv4Address | None
    why: str
    record: Record | None = None


def answer(estate: Estate, name: str) -> Answer:
    """Answer a question for a name; a single word is taken as a label of the zone, as resolvers here do."""
    full = name.rstrip(".").lower()
    full = full if "." in full else estate.fqdn(full)
    record = next((one for one in records(estate) if one.name == full), None)
    if record:
        return Answer(full, record.lan, record.guest, record.purpose, record)
    zone = next((zone for zone in (estate.zone, *estate.settings.alias_zones) if _is_in(full, zone)), None)
    if zone:
        return Answer(full, None, None, f"nobody declares it, and {zone} is answered here alone: it is never forwarded")
    servers = " or ".join(map(str, estate.settings.network.upstream_dns))
    return Answer(full, None, None, f"it is in no zone of the estate: {servers} is asked")


def is_outside(estate: Estate, found: Answer) -> bool:
    """Tell whether an answer comes from other name servers."""
    return not any(_is_in(found.name, zone) for zone in (estate.zone, *estate.settings.alias_zones))


def _is_in(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")
