"""What can be wrong with any certificate or key, wherever it is: permissions, weak algorithms, damage, expiry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import MD5, SHA1

from phoenix.pki.audit.finding import CommonRole, Flag, note, red, yellow
from phoenix.pki.audit.scan import FileLocation, FoundKey
from phoenix.pki.x509.fields import key_type
from phoenix.pki.x509.validity import format_remaining

MIN_BITS = {"RSA": 2048, "EC": 256}


def file_flags(location: FileLocation, *, secret: bool) -> Iterator[Flag]:
    """The permissions of a file; only a secret one must not be world-readable."""
    if secret and location.world_readable:
        yield red("world-readable", f"every user can read it (mode {location.mode})")
    if location.writable_by_others:
        yield red("writable", f"users other than its owner can write it (mode {location.mode})")


def algorithm_flags(certificate: x509.Certificate) -> Iterator[Flag]:
    """The strength of a certificate's key and signature."""
    yield from _key_type_flags(key_type(certificate))
    algorithm = certificate.signature_hash_algorithm
    if isinstance(algorithm, SHA1 | MD5):
        yield red("weak", f"signed by {algorithm.name.upper()}")


def key_flags(key: FoundKey, role: str) -> Iterator[Flag]:
    """The strength and the state of a private key."""
    yield from _key_type_flags(key.kind)
    if key.state == "broken":
        yield red("unreadable", "it is not a valid private key")
    if key.state == "encrypted":
        flag = note if role is CommonRole.AUTHORITY else yellow
        yield flag("encrypted", "behind a password")


def expiry_flags(certificate: x509.Certificate, now: datetime) -> Iterator[Flag]:
    """Whether a certificate has expired."""
    end = certificate.not_valid_after_utc
    if end <= now:
        yield red("expired", f"expired {format_remaining(now - end)} ago")


def _key_type_flags(key: str) -> Iterator[Flag]:
    family, _, rest = key.removeprefix("SSH ").partition(" ")
    bits = re.search("[0-9]+", rest)
    if bits and int(bits[0]) < MIN_BITS.get(family, 0):
        yield red("weak", f"its key is {key}")
