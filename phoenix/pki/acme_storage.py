"""The mesh's certificates as Traefik stores them in acme.json, and the plan for each: keep, drop, renew or obtain."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from cryptography import x509

from phoenix.estate import MeshValidity
from phoenix.pki.bundle import SeenAuthority
from phoenix.pki.x509.chain import leads_to
from phoenix.pki.x509.fields import PARSE_ERRORS, alternative_names
from phoenix.pki.x509.validity import chain_end, format_remaining, lifetime_mismatch

ENTRY = re.compile(r'"main": *"(?P<name>[^"]+)"|"certificate": *"(?P<chain>[^"]+)"')


@dataclass(frozen=True)
class StoredCertificate:
    """One certificate of the storage: the name under which it is stored, and its chain as PEM."""

    name: str
    chain: bytes


class DropCause(Enum):
    """Why a certificate must leave the storage before it is replaced."""

    UNREADABLE = auto()
    FOREIGN = auto()
    """Its chain leads to no root of the CA."""
    UNROUTED = auto()
    NAMES = auto()


@dataclass(frozen=True)
class Drop:
    """A certificate to be dropped; `reason` is for the plan."""

    cause: DropCause
    reason: str


@dataclass(frozen=True)
class StoragePlan:
    """What to do with the storage, by the name of the certificate.

    A dropped certificate is obtained again with a new key if a route needs it. Traefik serves a certificate while it
    is renewed; `renewed` holds the reasons. `missing` names have no certificate yet.
    """

    dropped: Mapping[str, Drop]
    renewed: Mapping[str, str]
    missing: tuple[str, ...]
    account_is_stale: bool
    """Every stored certificate is of another CA, so the ACME account is, too."""


def read_storage(text: str) -> tuple[StoredCertificate, ...]:
    """Read the certificates from the storage's lines that hold names and certificates; other lines are ignored."""
    certificates, name = [], ""
    for match in ENTRY.finditer(text):
        if match["name"]:
            name = match["name"]
        else:
            certificates.append(StoredCertificate(name, b64decode(match["chain"])))
    return tuple(certificates)


def plan_storage(
    storage: tuple[StoredCertificate, ...],
    wanted: Mapping[str, tuple[str, ...]],
    authority: SeenAuthority | None,
    validity: MeshValidity,
    now: datetime,
) -> StoragePlan:
    """Compare the storage with the wanted names (each with all names of its certificate), the CA and the time."""
    dropped: dict[str, Drop] = {}
    renewed: dict[str, str] = {}
    for stored in storage:
        if drop := _drop(stored, wanted.get(stored.name), authority):
            dropped[stored.name] = drop
        elif reason := _renewal_reason(_chain(stored), authority, validity, now):
            renewed[stored.name] = reason
    names = [stored.name for stored in storage]
    missing = tuple(name for name in wanted if name not in names)
    foreign = {name for name, drop in dropped.items() if drop.cause is DropCause.FOREIGN}
    return StoragePlan(dropped, renewed, missing, account_is_stale=bool(names) and foreign.issuperset(names))


def _chain(stored: StoredCertificate) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(stored.chain)


def _drop(stored: StoredCertificate, hosts: tuple[str, ...] | None, authority: SeenAuthority | None) -> Drop | None:
    """Why it cannot stay until its replacement is there; `hosts` are the names of its route, if it has one."""
    try:
        chain = _chain(stored)
        names = alternative_names(chain[0])[0]
    except PARSE_ERRORS:
        return Drop(DropCause.UNREADABLE, "unreadable")
    if authority and not any(leads_to(chain, anchor) for anchor in authority.bundle.anchors):
        return Drop(DropCause.FOREIGN, "its chain leads to no root of the CA")
    if hosts is None:
        return Drop(DropCause.UNROUTED, "no route has this name")
    return None if names == set(hosts) else Drop(DropCause.NAMES, f"its names are {', '.join(sorted(names))}")


def _renewal_reason(
    chain: list[x509.Certificate], authority: SeenAuthority | None, validity: MeshValidity, now: datetime
) -> str | None:
    remaining = chain_end(chain) - now
    if remaining <= timedelta():
        return "expired"
    if remaining < validity.before / 2:
        return f"{format_remaining(remaining)} left, renewal is overdue"
    if mismatch := lifetime_mismatch(chain[0], validity.lifetime):
        return mismatch
    retired = authority and authority.issuer and not leads_to(chain[:1], authority.issuer)
    return "it was signed by a retired intermediate" if retired else None
