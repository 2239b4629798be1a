"""Whether a leaf may stay, as a pure function of what is wanted, what is there, who signs, and the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from phoenix.derive.certificates import Leaf

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What a file that is no sound certificate makes the library raise."""


@dataclass(frozen=True)
class Keep:
    """The leaf is as it should be."""


@dataclass(frozen=True)
class Reissue:
    """The leaf must be issued anew, for this reason."""

    reason: str


Decision = Keep | Reissue


@dataclass(frozen=True)
class SeenLeaf:
    """What lies on the host: PEM of the certificate with its intermediate, and of the public half of its key."""

    chain: str | None
    public_key: str | None


def decide(leaf: Leaf, seen: SeenLeaf, anchor: str, now: datetime, renew_before: timedelta) -> Decision:
    """Decide on a leaf; `anchor` is the PEM of the root, `renew_before` when before the end it should be renewed."""
    reason = next(_reasons(leaf, seen, anchor, now, renew_before), None)
    return Keep() if reason is None else Reissue(reason)


def _reasons(leaf: Leaf, seen: SeenLeaf, anchor: str, now: datetime, renew_before: timedelta) -> Iterator[str]:
    if not seen.chain:
        yield "absent"
        return
    try:
        certificates = x509.load_pem_x509_certificates(seen.chain.encode())
        public_key, names = _public_key(certificates[0]), _names(certificates[0])
    except UNREADABLE:
        yield "unreadable"
        return
    if not seen.public_key:
        yield "its key is absent or unreadable"
    elif public_key != seen.public_key.strip():
        yield "its key does not match"
    yield from _names_differ({*leaf.dns, *leaf.ips}, names)
    if not _chains(certificates, anchor):
        yield "it does not lead to the estate's root"
    yield from _out_of_time(certificates[0], now, renew_before)


def _out_of_time(certificate: x509.Certificate, now: datetime, renew_before: timedelta) -> Iterator[str]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end <= now:
        yield f"expired {end:%Y-%m-%d %H:%M} UTC"
    if now < begin - timedelta(minutes=5):
        yield f"not valid before {begin:%Y-%m-%d %H:%M} UTC: is a clock wrong?"
    if end - now < renew_before / 2:
        yield f"{(end - now).total_seconds() / 3600:.1f} h left, and it was not renewed in time"


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def _public_key(certificate: x509.Certificate) -> str:
    return certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip()


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def _names_differ(want: set[str], have: set[str]) -> Iterator[str]:
    missing, surplus = sorted(want - have), sorted(have - want)
    if missing or surplus:
        parts = [f"missing {', '.join(missing)}"] if missing else []
        parts += [f"surplus {', '.join(surplus)}"] if surplus else []
        yield f"names differ: {'; '.join(parts)}"


def _chains(certificates: list[x509.Certificate], anchor: str) -> bool:
    try:
        root = x509.load_pem_x509_certificate(anchor.encode())
        for subject, issuer in zip(certificates, [*certificates[1:], root], strict=True):
            subject.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
