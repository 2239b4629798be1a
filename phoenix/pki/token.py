"""One-time tokens that step-ca accepts (JSON Web Tokens, RFC 7519); the signature is made in the CA's own guest."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from phoenix.derive.certificates import Leaf

LIFETIME_SECONDS = 300
"""Seconds for which a token is valid."""
INTEGER_SIZE = 32
"""Bytes of each of the two integers of a P-256 signature (RFC 7518, section 3.4)."""


@dataclass(frozen=True)
class Signer:
    """Issuer and audience of a token: the provisioner with its key id, and the URL at which the token is used."""

    provisioner: str
    key_id: str
    audience: str


def unsigned(leaf: Leaf, signer: Signer, identity: str, now: int) -> str:
    """Header and claims of a token for exactly the leaf's names and usage.

    `identity` must be unique: step-ca accepts each one once. `now` is the CA's own time in seconds since the epoch:
    step-ca rejects tokens issued before it started.
    """
    claims = {
        "aud": signer.audience,
        "exp": now + LIFETIME_SECONDS,
        "iat": now,
        "iss": signer.provisioner,
        "jti": identity,
        "nbf": now,
        "sans": [*leaf.dns, *leaf.ips],
        "sub": leaf.dns[0],
        "user": {"usage": leaf.usage},
    }
    header = {"alg": "ES256", "kid": signer.key_id, "typ": "JWT"}
    return ".".join(_part(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))


def signed(text: str, signature: bytes) -> str:
    """Append a signature: openssl's form is two integers in DER, a token's is both integers side by side."""
    integers = decode_dss_signature(signature)
    return f"{text}.{_part(b''.join(integer.to_bytes(INTEGER_SIZE, 'big') for integer in integers))}"


def _part(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
