"""What leaves the authority is sealed with the operator's passphrase: age's format (age-encryption.org/v1), scrypt."""

from __future__ import annotations

import pyrage
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from phoenix.errors import PhoenixError

SHORTEST_PASSPHRASE = 12


class SealError(PhoenixError):
    """Something cannot be sealed or opened; the message says why."""


def seal(content: bytes, passphrase: str) -> bytes:
    """Encrypt so that the passphrase alone opens it."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise SealError(f"the passphrase is too short: it must have at least {SHORTEST_PASSPHRASE} characters")
    return pyrage.passphrase.encrypt(content, passphrase)


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """Decrypt what was sealed with the passphrase."""
    try:
        return pyrage.passphrase.decrypt(sealed, passphrase)
    except pyrage.DecryptError:
        raise SealError("the passphrase does not open it, or it was damaged") from None


def public_half(private: str) -> str:
    """The public key that belongs to a private one without a password, both in PEM."""
    try:
        key = load_pem_private_key(private.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SealError("there is no private key in it") from None
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip()
