"""Sealing of files that leave the CA, with the operator's passphrase: age's format (age-encryption.org/v1), scrypt."""

from __future__ import annotations

import pyrage
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from phoenix.errors import PhoenixError

MIN_PASSPHRASE = 12
"""Characters of a passphrase."""
ATTEMPTS = 20
"""age refuses work that would take a machine over 16 s, by an estimate of milliseconds that other load distorts."""
EXCESSIVE_WORK = "Excessive work"


class SealError(PhoenixError):
    """Sealing or opening failed; the message says why."""


def seal(content: bytes, passphrase: str) -> bytes:
    """Encrypt with a passphrase; SealError if the passphrase is too short."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise SealError(f"the passphrase is too short: it must have at least {MIN_PASSPHRASE} characters")
    return pyrage.passphrase.encrypt(content, passphrase)


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """Decrypt with a passphrase; SealError if it is wrong, the content is damaged, or this machine is too slow."""
    for _ in range(ATTEMPTS):
        try:
            return pyrage.passphrase.decrypt(sealed, passphrase)
        except pyrage.DecryptError as error:
            if EXCESSIVE_WORK not in str(error):
                raise SealError("the passphrase does not open it, or it was damaged") from None
    raise SealError("this machine is too slow or too busy to open it: try again without other load, or on a faster one")


def public_half(private: str) -> str:
    """The public key of an unencrypted private key, both in PEM; SealError if there is no such key."""
    try:
        key = load_pem_private_key(private.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SealError("there is no private key in it") from None
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip()
