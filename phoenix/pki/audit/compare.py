"""What was seen on the hosts, compared with what the inventory derives: one row for each certificate and private key.

Red is what a person must see to, yellow what a person should know; the rest is as it should be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from phoenix.estate import Estate
from phoenix.pki.audit.classify import Judge
from phoenix.pki.audit.expected import Expected, Places
from phoenix.pki.audit.finding import Flag, Row, red, yellow
from phoenix.pki.audit.scan import FoundCertificate, FoundKey, FoundStore, Place, Scan
from phoenix.pki.bundle import SeenAuthority

WORLD_READABLE, OTHERS_WRITE = 0o004, 0o022
SECRET_STORES = (".p12", ".pfx", ".jks", ".keystore", ".bcfks", "key3.db", "key4.db")


@dataclass(frozen=True)
class Seen:
    """What a run learned: scans by host, why others could not be asked, and what the authority publishes."""

    scans: Mapping[str, Scan]
    unasked: Mapping[str, str]
    authority: SeenAuthority | None


def audit(estate: Estate, places: Places, seen: Seen, now: datetime) -> tuple[Row, ...]:
    """Every row, red ones first, then yellow ones, then by host and path."""
    expected = Expected(estate, places)
    rows = [Row(host, "-", "host", "-", flags=(red("unasked", why),)) for host, why in seen.unasked.items()]
    for scan in seen.scans.values():
        judge = Judge(expected, scan, seen.authority, now)
        rows += _of_host(judge, scan)
    order = {host.name: number for number, host in enumerate(estate.hosts())}
    rows = _with_duplicates(rows)
    return tuple(sorted(rows, key=lambda row: (row.rank, order.get(row.host, -1), row.path, row.kind)))


def _of_host(judge: Judge, scan: Scan) -> Iterator[Row]:
    if not scan.complete:
        yield Row(scan.host, "-", "host", "-", flags=(red("unasked", "its scan did not come to an end in time"),))
    for found in scan.certificates:
        yield from judge.certificates(found)
    for key in scan.keys:
        yield judge.key(key)
    for store in scan.stores:
        yield _store(store)
    for place in scan.unreadable:
        yield _row(place, "file", "-", red("unreadable", "it cannot be read, or is damaged"))
    yield from judge.authority_served()
    yield from _missing(judge, scan) if scan.complete else ()


def _store(store: FoundStore) -> Row:
    place = store.place
    if store.certificates:
        flags = [yellow("store", f"a store of {store.certificates} certificates, not listed one by one")]
    else:
        flags = [yellow("store", "a store that is not opened")]
        if place.path.endswith(SECRET_STORES) and place.open_to(WORLD_READABLE):
            flags.append(red("world-readable", f"everybody may read it (mode {place.mode})"))
    return _row(place, "store", "-", *flags)


def _missing(judge: Judge, scan: Scan) -> Iterator[Row]:
    """What is derived and absent on a host."""
    certificates = {str(found.place) for found in scan.certificates} | {place.path for place in scan.unreadable}
    keys = {str(found.place) for found in scan.keys} | {place.path for place in scan.unreadable}
    expected, host = judge.expected, scan.host
    wanted = [
        *((path, "certificate", leaf.name) for (at, path), leaf in expected.certificates.items() if at == host),
        *((path, "key", leaf.name) for (at, path), leaf in expected.keys.items() if at == host),
        *((path, "certificate", route.service) for (at, path), route in expected.mesh.items() if at == host),
        *((path, kind, "authority") for at, path, kind in expected.authority_files if at == host),
        *((path, "certificate", "anchor") for at, path in expected.anchors if at == host),
    ]
    for path, kind, role in wanted:
        if path not in (keys if kind == "key" else certificates):
            yield Row(host, path, kind, role, flags=(red("missing", "the inventory derives it, and it is not there"),))


def _with_duplicates(rows: list[Row]) -> list[Row]:
    """Flag keys of which the public half is in more than one place; Portainer's own copies are meant to be."""
    places = defaultdict(list)
    for row in rows:
        if row.kind == "key" and row.public and row.role != "copy":
            places[row.public].append(row)
    flagged = {}
    for same in places.values():
        for row in same if len(same) > 1 else ():
            others = ", ".join(f"{other.host}:{other.path}" for other in same if other is not row)
            flagged[id(row)] = replace(row, flags=(*row.flags, red("duplicate", f"the same key as {others}")))
    return [flagged.get(id(row), row) for row in rows]


def _row(place: Place, kind: str, role: str, *flags: Flag) -> Row:
    return Row(place.host, str(place), kind, role, owner=place.owner, mode=place.mode, flags=flags)


__all__ = ["FoundCertificate", "FoundKey", "Row", "Seen", "audit"]
