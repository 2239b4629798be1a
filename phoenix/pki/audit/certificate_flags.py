"""What can be wrong with a certificate of the estate: one function for each kind, yielding flags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import PurePosixPath

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from phoenix.conventions import renewal_unit
from phoenix.derive.certificates import Leaf
from phoenix.derive.renewal_schedule import check_interval, stem
from phoenix.derive.routes import Route
from phoenix.pki.audit.endpoints import endpoints_of
from phoenix.pki.audit.expected import Expected
from phoenix.pki.audit.finding import Flag, note, red, yellow
from phoenix.pki.audit.scan import FileLocation, FoundCertificate, Scan, public_sum
from phoenix.pki.bundle import SeenAuthority
from phoenix.pki.ca.config import OLD_PAIR, OLD_ROOT
from phoenix.pki.ca.state import ROOT_KEY
from phoenix.pki.leaf_decision import Keep, LeafFault, Reissue, Renew, SeenFile, SeenLeaf, decide
from phoenix.pki.x509.chain import client_refusal, server_refusal
from phoenix.pki.x509.fields import alternative_names, public_pem
from phoenix.pki.x509.validity import format_remaining

LAST_TENTH = 10


@dataclass(frozen=True)
class AuditContext:
    """What the flags of a certificate depend on besides itself: the expectation, the host's scan, the CA, the time."""

    expected: Expected
    scan: Scan
    authority: SeenAuthority | None
    now: datetime


def leaf_flags(context: AuditContext, leaf: Leaf, found: FoundCertificate) -> Iterator[Flag]:
    """The decision about a leaf, the verification of its chain, its renewal, and what its port presents."""
    decision = decide(leaf, _seen_leaf(context.scan, leaf, found), context.authority, context.now)
    if isinstance(decision, Renew):
        yield _due(found.certificate.not_valid_after_utc, leaf.validity.before, 2 * check_interval(leaf), context.now)
    elif isinstance(decision, Reissue) and decision.fault is LeafFault.EXPIRED:
        yield red("expired", decision.reason)
    elif not isinstance(decision, Keep):
        yield red("wrong", decision.reason)
    elif context.authority and (refusal := _refusal(leaf, found, context.authority, context.now)):
        yield red("wrong", f"verification fails: {refusal}")
    yield from _renewal_flags(context.scan, leaf)
    yield from _served_flags(context, leaf.name, found)


def mesh_flags(context: AuditContext, route: Route, found: FoundCertificate) -> Iterator[Flag]:
    """The names, the verification and the renewal of a certificate of the mesh, and what its port presents."""
    end, now = found.certificate.not_valid_after_utc, context.now
    dns, _ = alternative_names(found.certificate)
    if missing := sorted(set(route.hosts) - dns):
        yield red("wrong", f"names differ: missing {', '.join(missing)}")
    elif (
        context.authority
        and (refusal := server_refusal(found.pem, context.authority.bundle.anchors, route.name, now))
        and end > now
    ):
        yield red("wrong", f"verification fails: {refusal}")
    before = context.expected.estate.settings.ca.mesh.before
    if now < end <= now + before:
        yield _due(end, before, before / LAST_TENTH, now)
    yield from _served_flags(context, route.name, found)


def ca_flags(context: AuditContext, location: FileLocation, certificate: x509.Certificate) -> Iterator[Flag]:
    """Where the root's key is, and whether a certificate of the CA's state is about to expire."""
    remaining = certificate.not_valid_after_utc - context.now
    if location.path.endswith(f"/{OLD_ROOT}"):
        key_name = f"/{PurePosixPath(ROOT_KEY).name}"
        online = any(key_name in key.location.path for key in context.scan.keys)
        yield note("root key", "its key is online" if online else "its key is offline")
    elif location.path.endswith(f"/{OLD_PAIR[0]}") and timedelta() < remaining < _longest_lifetime(context.expected):
        yield red("due", f"{format_remaining(remaining)} left, less than the leaves that it signs now: rotate it")
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if timedelta() < remaining < lifetime / LAST_TENTH:
        yield yellow("due", f"{format_remaining(remaining)} left: rotate it")


def _longest_lifetime(expected: Expected) -> timedelta:
    leaves = [leaf.validity.lifetime for leaf in expected.certificates.values()]
    return max((expected.estate.settings.ca.mesh.lifetime, *leaves))


def _seen_leaf(scan: Scan, leaf: Leaf, found: FoundCertificate) -> SeenLeaf:
    """The leaf as `decide` expects it; a scan has only the public key's sum, so a key that differs stays a sum."""
    key = next((key for key in scan.keys if key.location.path == leaf.key), None)
    public = None
    if key and key.public:
        public = public_pem(found.certificate) if key.public == public_sum(found.certificate) else key.public
    locations = (found.location, key.location if key else None)
    return SeenLeaf(found.pem, public, *(SeenFile(at.owner, at.mode) if at else None for at in locations))


def _refusal(leaf: Leaf, found: FoundCertificate, authority: SeenAuthority, now: datetime) -> str | None:
    if leaf.usage == "client":
        return client_refusal(found.pem, authority.bundle.anchors, now)
    name = re.sub(r"^\*", "any", leaf.dns[0])
    return server_refusal(found.pem, authority.bundle.anchors, name, now)


def _due(end: datetime, before: timedelta, grace: timedelta, now: datetime) -> Flag:
    remaining, overdue = format_remaining(end - now), now - (end - before)
    if overdue > grace:
        return red("due", f"{remaining} left, renewal is overdue by {format_remaining(overdue)}")
    return yellow("due", f"{remaining} left: renewal is due")


def _renewal_flags(scan: Scan, leaf: Leaf) -> Iterator[Flag]:
    name = renewal_unit(stem(leaf))
    if scan.units.get(f"{name}.service", ("", ""))[0] == "failed":
        yield red("renewal failed", f"{name}.service failed: see `systemctl status {name}.service`")
    if (state := scan.units.get(f"{name}.timer", ("absent", ""))[0]) != "active":
        yield red("renewal failed", f"{name}.timer is {state}: the leaf is not renewed")


def _served_flags(context: AuditContext, name: str, found: FoundCertificate) -> Iterator[Flag]:
    """Whether the port that should present the certificate does."""
    served = context.scan.served.get(name)
    endpoints = endpoints_of(context.expected.estate, context.scan.host)
    address = next((endpoint.address for endpoint in endpoints if endpoint.name == name), None)
    if address and name in context.scan.silent:
        yield red("unasked", f"{address} did not answer in time: the certificate that it presents is not known")
    if address is None or served is None:
        return
    if not served:
        yield red("served", f"{address} presents no certificate")
    elif sha256(served).digest() != sha256(found.certificate.public_bytes(Encoding.DER)).digest():
        yield red("served", f"{address} serves a different certificate than the file; the service was not reloaded")
