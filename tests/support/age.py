"""Encrypts in age's format (age-encryption.org/v1) with the least scrypt work that its specification allows.

Opening a sealed file of the product takes seconds, by design; tests that open one repeatedly seal it with this module.
"""

from __future__ import annotations

import os
from base64 import b64encode

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

CHUNK = 64 * 1024


def seal_lightly(content: bytes, passphrase: str) -> bytes:
    """Encrypt for a passphrase with scrypt work factor 1."""
    key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrapping = Scrypt(b"age-encryption.org/v1/scrypt" + salt, 32, 2, 8, 1).derive(passphrase.encode())
    wrapped = ChaCha20Poly1305(wrapping).encrypt(bytes(12), key, None)
    header = b"age-encryption.org/v1\n-> scrypt %b 1\n%b\n---" % (_encoded(salt), _encoded(wrapped))
    mac = HMAC(_derived(key, None, b"header"), SHA256())
    mac.update(header)
    payload = ChaCha20Poly1305(_derived(key, nonce, b"payload"))
    chunks = [content[start : start + CHUNK] for start in range(0, len(content), CHUNK)] or [b""]
    counted = (number.to_bytes(11, "big") + bytes([number == len(chunks) - 1]) for number in range(len(chunks)))
    body = b"".join(payload.encrypt(count, chunk, None) for count, chunk in zip(counted, chunks, strict=True))
    return b"%b %b\n%b%b" % (header, _encoded(mac.finalize()), nonce, body)


def _derived(key: bytes, salt: bytes | None, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, purpose).derive(key)


def _encoded(value: bytes) -> bytes:
    return b64encode(value).rstrip(b"=")
