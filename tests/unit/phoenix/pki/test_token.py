"""One-time tokens in step-ca's form, signed with openssl's signatures."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from itertools import count

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from phoenix.derive.certificates import leaves_of
from phoenix.pki.token import Signer, signed, unsigned
from tests.support.inventories import example

LEAF = leaves_of(example(), "portainer")[0]
SIGNER = Signer("admin@example.org", "key-1", "https://ca.example.org:9000/1.0/sign")
NOW = 1_800_000_000
TEXT = unsigned(LEAF, SIGNER, "once", NOW)


def part(text: str) -> bytes:
    """The decoded part of a token."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_claims() -> None:
    """A token holds one leaf's names and usage, one audience and five minutes of validity, and no other claim."""
    header, claims = (json.loads(part(text)) for text in TEXT.split("."))
    assert header == {"alg": "ES256", "kid": "key-1", "typ": "JWT"}
    assert claims == {
        "aud": "https://ca.example.org:9000/1.0/sign",
        "exp": NOW + 300,
        "iat": NOW,
        "iss": "admin@example.org",
        "jti": "once",
        "nbf": NOW,
        "sans": [*LEAF.dns, *LEAF.ips],
        "sub": LEAF.dns[0],
        "user": {"usage": LEAF.usage},
    }


def test_signature() -> None:
    """Both integers of a signature have their full width, with leading zeros if one is short."""
    key = ec.generate_private_key(ec.SECP256R1())
    for number in count():
        token = signed(TEXT, key.sign(f"{TEXT}{number}".encode(), ec.ECDSA(SHA256())))
        numbers = part(token.rpartition(".")[2])
        assert len(numbers) == 64
        halves = (int.from_bytes(half, "big") for half in (numbers[:32], numbers[32:]))
        key.public_key().verify(encode_dss_signature(*halves), f"{TEXT}{number}".encode(), ec.ECDSA(SHA256()))
        if numbers[0] == 0 or numbers[32] == 0:
            return
