"""Verification of chains (RFC 5280, section 6): would a client accept this server, would a server accept this client.

The verdict is that of cryptography.x509.verification. The only trust anchors are those passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

_Verify = Callable[[PolicyBuilder, x509.Certificate, list[x509.Certificate]], object]


def server_refusal(pem: str, anchors: Iterable[str], name: str, now: datetime) -> str | None:
    """Why a client would refuse this chain from a server called `name` (a DNS name or an address); None if it accepts.

    `pem` is the leaf followed by its intermediates, `anchors` are roots; all in PEM.
    """
    subject = _subject(name)
    return _refusal(
        pem, anchors, now, lambda policy, leaf, above: policy.build_server_verifier(subject).verify(leaf, above)
    )


def client_refusal(pem: str, anchors: Iterable[str], now: datetime) -> str | None:
    """Why a server would refuse a client that presents this chain; None if it accepts."""
    return _refusal(pem, anchors, now, lambda policy, leaf, above: policy.build_client_verifier().verify(leaf, above))


def leads_to(chain: list[x509.Certificate], anchor: str) -> bool:
    """Tell whether each certificate was signed by the next one, and the last one by the anchor (PEM).

    This compares signatures and issuer names only, not time or constraints.
    """
    try:
        root = x509.load_pem_x509_certificate(anchor.encode())
    except ValueError:
        return False
    above = [certificate for certificate in chain[1:] if certificate != root]
    return all(map(is_issued_by, [chain[0], *above], [*above, root]))


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether the issuer signed the certificate and is named in it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _refusal(pem: str, anchors: Iterable[str], now: datetime, verify: _Verify) -> str | None:
    try:
        store = Store([x509.load_pem_x509_certificate(anchor.encode()) for anchor in anchors])
        leaf, *above = x509.load_pem_x509_certificates(pem.encode())
        verify(PolicyBuilder().store(store).time(now), leaf, above)
    except (VerificationError, ValueError) as error:
        return str(error).removeprefix("validation failed: ")
    return None


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
