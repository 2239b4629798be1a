"""Whether a leaf may stay, as a pure function of what is wanted, what is there, who signs, and the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from phoenix.derive.certificates import Leaf


@dataclass(frozen=True)
class Keep:
    """The leaf is as it should be."""


@dataclass(frozen=True)
class Reissue:
    """The leaf must be issued anew, for this reason."""

    reason: str


Decision = Keep | Reissue


def decide(
    leaf: Leaf, chain: str | None, public_key: str | None, anchor: str, now: datetime, renew_before: timedelta
) -> Decision:
    """Decide on a leaf.

    `chain` is the PEM of leaf and intermediate as they lie on the host, `public_key` the PEM of the public half of the
    key beside it, `anchor` the PEM of the root; None where there is none.
    """
    if not chain:
        return Reissue("absent")
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
        root = x509.load_pem_x509_certificate(anchor.encode())
    except ValueError:
        return Reissue("unreadable")
    certificate = certificates[0]
    if not public_key:
        return Reissue("its key is absent or unreadable")
    if _public_key(certificate) != public_key.strip():
        return Reissue("its key does not match")
    if reason := _names_differ(leaf, certificate):
        return Reissue(reason)
    if not _chains(certificates, root):
        return Reissue("it does not lead to the estate's root")
    left = certificate.not_valid_after_utc - now
    if left <= timedelta(0):
        return Reissue(f"expired {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if now < certificate.not_valid_before_utc - timedelta(minutes=5):
        return Reissue(f"not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: is a clock wrong?")
    if left < renew_before / 2:
        return Reissue(f"{left.total_seconds() / 3600:.1f} h left, and it was not renewed in time")
    return Keep()


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def _public_key(certificate: x509.Certificate) -> str:
    return certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip()


def _names_differ(leaf: Leaf, certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "names differ: it has none"
    have = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    want = {*leaf.dns, *leaf.ips}
    if have == want:
        return None
    parts = [f"missing {', '.join(sorted(want - have))}"] if want - have else []
    parts += [f"surplus {', '.join(sorted(have - want))}"] if have - want else []
    return f"names differ: {'; '.join(parts)}"


def _chains(certificates: list[x509.Certificate], root: x509.Certificate) -> bool:
    try:
        for subject, issuer in zip(certificates, [*certificates[1:], root], strict=True):
            subject.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
