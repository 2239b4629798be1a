"""What can be wrong with a certificate or key where it lies: one function for each role that it can have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.hazmat.primitives.serialization import Encoding

from phoenix.conventions import renewal_unit
from phoenix.derive.certificates import Leaf
from phoenix.derive.renewal import looks_every, stem
from phoenix.derive.routes import Route
from phoenix.pki.audit.expected import Expected
from phoenix.pki.audit.finding import Flag, note, red, yellow
from phoenix.pki.audit.scan import FoundCertificate, FoundKey, Place, Scan, public_sum
from phoenix.pki.bundle import SeenAuthority
from phoenix.pki.chain import refused_client, refused_server
from phoenix.pki.leaf import Keep, Renew, SeenFile, SeenLeaf, decide, left
from phoenix.pki.x509 import alternative_names, key_type, public_pem

WORLD_READABLE, OTHERS_WRITE = 0o004, 0o022
LEAST_BITS = {"RSA": 2048, "EC": 256}
LAST_TENTH = 10


class Looking(Protocol):
    """What the faults of a certificate depend on besides itself."""

    @property
    def expected(self) -> Expected:
        """What should be there."""

    @property
    def scan(self) -> Scan:
        """What is there."""

    @property
    def seen(self) -> SeenAuthority | None:
        """What the authority publishes."""

    @property
    def now(self) -> datetime:
        """The time."""


def file_faults(place: Place, *, secret: bool) -> Iterator[Flag]:
    """What is wrong with the file itself."""
    if secret and place.open_to(WORLD_READABLE):
        yield red("world-readable", f"everybody may read it (mode {place.mode})")
    if place.open_to(OTHERS_WRITE):
        yield red("writable", f"others than its owner may write it (mode {place.mode})")


def weakness(certificate: x509.Certificate) -> Iterator[Flag]:
    """Whether key or signature are too weak to be believed."""
    yield from _weak_kind(key_type(certificate))
    algorithm = certificate.signature_hash_algorithm
    if isinstance(algorithm, SHA1 | MD5):
        yield red("weak", f"signed by {algorithm.name.upper()}")


def key_faults(key: FoundKey, role: str) -> Iterator[Flag]:
    """What is wrong with a private key."""
    yield from _weak_kind(key.kind)
    if key.state == "broken":
        yield red("unreadable", "it is no sound private key")
    if key.state == "encrypted":
        level = note if role == "authority" else yellow
        yield level("encrypted", "behind a password")


def leaf_faults(looking: Looking, leaf: Leaf, found: FoundCertificate) -> Iterator[Flag]:
    """What is wrong with a leaf: the decision's reason, its chain, its renewal, and what its reader presents."""
    decision = decide(leaf, _seen_leaf(looking.scan, leaf, found), looking.seen, looking.now)
    if isinstance(decision, Renew):
        end = x509.load_pem_x509_certificate(found.chain[0].encode()).not_valid_after_utc
        yield _due(end, leaf.validity.before, 2 * looks_every(leaf), looking.now)
    elif not isinstance(decision, Keep):
        kind = "expired" if decision.reason.startswith("expired") else "wrong"
        yield red(kind, decision.reason)
    elif looking.seen and (refused := _refused(leaf, found, looking.seen, looking.now)):
        yield red("wrong", f"it would be refused: {refused}")
    yield from _renewal_faults(looking.scan, leaf)
    yield from _served_faults(looking, leaf.name, found)


def mesh_faults(looking: Looking, route: Route, found: FoundCertificate) -> Iterator[Flag]:
    """What is wrong with a certificate of the mesh."""
    certificate = x509.load_pem_x509_certificate(found.chain[0].encode())
    dns, _ = alternative_names(certificate)
    if missing := sorted(set(route.hosts) - dns):
        yield red("wrong", f"names differ: missing {', '.join(missing)}")
    elif (
        looking.seen
        and (refused := refused_server(found.pem, looking.seen.bundle.anchors, route.name, looking.now))
        and certificate.not_valid_after_utc > looking.now
    ):
        yield red("wrong", f"it would be refused: {refused}")
    before = looking.expected.estate.settings.ca.mesh.before
    if looking.now < certificate.not_valid_after_utc <= looking.now + before:
        yield _due(certificate.not_valid_after_utc, before, before / LAST_TENTH, looking.now)
    yield from _served_faults(looking, route.name, found)


def authority_faults(looking: Looking, place: Place, certificate: x509.Certificate) -> Iterator[Flag]:
    """What is to be said of the authority's own certificates."""
    settings, remaining = looking.expected.estate.settings.ca, certificate.not_valid_after_utc - looking.now
    if place.path.endswith("/certs/root_ca.crt"):
        online = any("/root_ca_key" in key.place.path for key in looking.scan.keys)
        yield note("root key", "its key is online" if online else "its key is offline")
    elif place.path.endswith("/certs/intermediate_ca.crt"):
        longest = max(
            settings.mesh.lifetime, *(leaf.validity.lifetime for leaf in looking.expected.certificates.values())
        )
        if timedelta() < remaining < longest:
            yield red("due", f"it ends in {left(remaining)}, before what it signs now: rotate it")
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if timedelta() < remaining < lifetime / LAST_TENTH:
        yield yellow("due", f"{left(remaining)} left: rotate it")


def _seen_leaf(scan: Scan, leaf: Leaf, found: FoundCertificate) -> SeenLeaf:
    """What the decision asks for; the public key is known by its sum, so it is that of the certificate or another."""
    certificate = x509.load_pem_x509_certificate(found.chain[0].encode())
    key = next((key for key in scan.keys if key.place.path == leaf.key), None)
    public = None
    if key and key.public:
        public = public_pem(certificate) if key.public == public_sum(certificate) else key.public
    files = [SeenFile(at.owner, at.mode) if at else None for at in (found.place, key.place if key else None)]
    return SeenLeaf(found.pem, public, *files)


def _refused(leaf: Leaf, found: FoundCertificate, authority: SeenAuthority, now: datetime) -> str | None:
    if leaf.usage == "client":
        return refused_client(found.pem, authority.bundle.anchors, now)
    name = re.sub(r"^\*", "any", leaf.dns[0])
    return refused_server(found.pem, authority.bundle.anchors, name, now)


def _due(end: datetime, before: timedelta, grace: timedelta, now: datetime) -> Flag:
    if now > end - before + grace:
        return red("due", f"{left(end - now)} left, and it should have been renewed {left(now - end + before)} ago")
    return yellow("due", f"{left(end - now)} left: it is about to be renewed")


def _renewal_faults(scan: Scan, leaf: Leaf) -> Iterator[Flag]:
    name = renewal_unit(stem(leaf))
    if scan.units.get(f"{name}.service", ("", ""))[0] == "failed":
        yield red("renewal failed", f"{name}.service failed: systemctl status {name}")
    if (state := scan.units.get(f"{name}.timer", ("absent", ""))[0]) != "active":
        yield red("renewal failed", f"{name}.timer is {state}, so that nothing renews it")


def _served_faults(looking: Looking, name: str, found: FoundCertificate) -> Iterator[Flag]:
    """Whether the port that should present the certificate does."""
    endpoint = next((each for each in looking.expected.endpoints(looking.scan.host) if each.name == name), None)
    if endpoint is None or (served := looking.scan.served.get(name)) is None:
        return
    der = x509.load_pem_x509_certificate(found.chain[0].encode()).public_bytes(Encoding.DER)
    if not served:
        yield red("served", f"{endpoint.address} presents no certificate")
    elif sha256(served).digest() != sha256(der).digest():
        yield red("served", f"{endpoint.address} presents another one than the file's: its reader was not told")


def _weak_kind(kind: str) -> Iterator[Flag]:
    family, _, rest = kind.removeprefix("SSH ").partition(" ")
    bits = re.search("[0-9]+", rest)
    if bits and int(bits[0]) < LEAST_BITS.get(family, 0):
        yield red("weak", f"its key is {kind}")
