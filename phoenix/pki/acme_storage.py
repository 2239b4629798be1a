"""The mesh's certificates as its storage (Traefik's acme.json) shows them, and what is to be done about each."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from phoenix.estate import MeshValidity
from phoenix.pki.bundle import SeenAuthority
from phoenix.pki.leaf import UNREADABLE, chain_end, leads_to, left, lifetime_fault
from phoenix.pki.x509 import alternative_names

ENTRY = re.compile(r'"main": *"(?P<name>[^"]+)"|"certificate": *"(?P<chain>[^"]+)"')
FOREIGN = "it leads to no root of the authority"


@dataclass(frozen=True)
class Stored:
    """One certificate of the storage: the name that it is kept under, and its chain as PEM."""

    name: str
    chain: bytes


@dataclass(frozen=True)
class Verdict:
    """What is to be done about the storage; each name with the reason.

    What is dropped is asked for again, with another key, if it is still wanted; what is renewed is served meanwhile.
    """

    dropped: Mapping[str, str]
    renewed: Mapping[str, str]
    missing: tuple[str, ...]
    forsaken: bool
    """Nothing in it is of the authority that there is now, so that the account is not, either."""


def read_storage(text: str) -> tuple[Stored, ...]:
    """Read the certificates from the lines of the storage that hold names and certificates."""
    found, name = [], ""
    for match in ENTRY.finditer(text):
        if match["name"]:
            name = match["name"]
        else:
            found.append(Stored(name, b64decode(match["chain"])))
    return tuple(found)


def judge(
    storage: tuple[Stored, ...],
    wanted: Mapping[str, tuple[str, ...]],
    authority: SeenAuthority | None,
    validity: MeshValidity,
    now: datetime,
) -> Verdict:
    """Compare the storage with the wanted names (each with all names of its certificate), authority and time."""
    dropped: dict[str, str] = {}
    renewed: dict[str, str] = {}
    for stored in storage:
        if fault := _fault(stored, wanted.get(stored.name), authority):
            dropped[stored.name] = fault
        elif stale := _stale(_chain(stored), authority, validity, now):
            renewed[stored.name] = stale
    held = {stored.name for stored in storage}
    missing = tuple(name for name in wanted if name not in held)
    forsaken = bool(storage) and all(dropped.get(stored.name) == FOREIGN for stored in storage)
    return Verdict(dropped, renewed, missing, forsaken)


def _chain(stored: Stored) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(stored.chain)


def _fault(stored: Stored, hosts: tuple[str, ...] | None, authority: SeenAuthority | None) -> str:
    """Why it cannot stay, not even until there is another."""
    try:
        chain = _chain(stored)
        names = alternative_names(chain[0])[0]
    except UNREADABLE:
        return "unreadable"
    if authority and not any(leads_to(chain, anchor) for anchor in authority.bundle.anchors):
        return FOREIGN
    if hosts is None:
        return "no route has this name"
    return "" if names == set(hosts) else f"it is for {', '.join(sorted(names))}"


def _stale(
    chain: list[x509.Certificate], authority: SeenAuthority | None, validity: MeshValidity, now: datetime
) -> str:
    """Why it must be renewed."""
    remaining = chain_end(chain) - now
    if remaining <= timedelta():
        return "expired"
    if remaining < validity.before / 2:
        return f"{left(remaining)} left, and it was not renewed in time"
    if fault := lifetime_fault(chain[0], validity.lifetime):
        return fault
    retired = authority and authority.issuer and not leads_to(chain[:1], authority.issuer)
    return "it is signed by an intermediate that signs no more" if retired else ""
