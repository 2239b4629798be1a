"""One-time tokens that step-ca takes (JSON Web Tokens, RFC 7519), but for the signature, which its own guest makes."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from phoenix.derive.certificates import Leaf

LIFETIME = 300  # seconds
HALF = 32  # bytes of each number of a signature by P-256


@dataclass(frozen=True)
class Signer:
    """Who signs a token and for whom: the provisioner with the id of its key, and where the token is to be used."""

    provisioner: str
    key_id: str
    audience: str


def unsigned(leaf: Leaf, signer: Signer, identity: str, now: int) -> str:
    """Header and claims of a token for exactly a leaf's names and usage; `identity` must be used for no other.

    `now` is by the authority's own clock, in seconds since the epoch: it takes no token from before it was started.
    """
    claims = {
        "aud": signer.audience,
        "exp": now + LIFETIME,
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
    """Join header and claims with their signature, two numbers in DER by openssl, side by side in a token."""
    numbers = decode_dss_signature(signature)
    return f"{text}.{_part(b''.join(number.to_bytes(HALF, 'big') for number in numbers))}"


def _part(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
