"""Whether a chain would be accepted: by a client that asks a server for a name, or by a server that asks a client.

The verdict is that of cryptography.x509.verification, with the anchors of a bundle and nothing else as its store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError


def refused_server(pem: str, anchors: Iterable[str], name: str, now: datetime) -> str | None:
    """Why a server with this chain is not to be believed that it is `name`, a DNS name or address; None if it is."""
    subject = _subject(name)
    return _refusal(
        pem, anchors, now, lambda policy, leaf, above: policy.build_server_verifier(subject).verify(leaf, above)
    )


def refused_client(pem: str, anchors: Iterable[str], now: datetime) -> str | None:
    """Why a client that shows this chain is not to be let in; None if it is."""
    return _refusal(pem, anchors, now, lambda policy, leaf, above: policy.build_client_verifier().verify(leaf, above))


Ask = Callable[[PolicyBuilder, x509.Certificate, list[x509.Certificate]], object]


def _refusal(pem: str, anchors: Iterable[str], now: datetime, ask: Ask) -> str | None:
    try:
        store = Store([x509.load_pem_x509_certificate(anchor.encode()) for anchor in anchors])
        leaf, *above = x509.load_pem_x509_certificates(pem.encode())
        ask(PolicyBuilder().store(store).time(now), leaf, above)
    except (VerificationError, ValueError) as error:
        return str(error).removeprefix("validation failed: ")
    return None


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
