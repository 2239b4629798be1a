"""The CA as hosts see it: the anchors to trust, the intermediate that signs, and the token provisioner's key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\r?\n.+?\n-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Bundle:
    """The anchors that every host must trust: one PEM text each, with a final newline; the present root first.

    It holds one anchor, or two during a rotation of the root.
    """

    anchors: tuple[str, ...]

    @property
    def pem(self) -> str:
        """All anchors as one file."""
        return "".join(self.anchors)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The SHA-256 of each anchor, in lower-case hexadecimal without colons."""
        return tuple(fingerprint(anchor) for anchor in self.anchors)


@dataclass(frozen=True)
class SeenAuthority:
    """What the CA publishes: its bundle, the PEM of the signing intermediate, and its token provisioner's key id.

    `issuer` and `provisioner` (a JWK's `kid`, RFC 7517 section 4.5) are None where they are unknown.
    """

    bundle: Bundle
    issuer: str | None = None
    provisioner: str | None = None


def read_bundle(pem: str) -> Bundle:
    """Read the anchors of a PEM file; ValueError if it holds no certificate, or an invalid one."""
    anchors = tuple(dict.fromkeys(f"{text}\n" for text in CERTIFICATE.findall(pem)))
    if not anchors:
        raise ValueError("there is no certificate in it")
    for anchor in anchors:
        x509.load_pem_x509_certificate(anchor.encode())
    return Bundle(anchors)


def fingerprint(pem: str) -> str:
    """The SHA-256 of a certificate, in lower-case hexadecimal without colons."""
    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(SHA256()).hex()
