"""The name of a certificate's hash link, as OpenSSL makes it of the subject: made once, and not on each host."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1

from cryptography import x509
from cryptography.x509.name import NameAttribute, RelativeDistinguishedName, _ASN1Type


@lru_cache
def subject_hash(pem: str) -> str:
    """The eight digits of `openssl x509 -subject_hash`: SHA-1 of the subject in canonical form, first four bytes."""
    subject = x509.load_pem_x509_certificate(pem.encode()).subject
    parts = [RelativeDistinguishedName(map(_canonical, rdn)) for rdn in subject.rdns]
    # The parts follow each other without the sequence that a name is otherwise.
    encoded = b"".join(_content(x509.Name([part]).public_bytes()) for part in parts)
    return sha1(encoded, usedforsecurity=False).digest()[3::-1].hex()


def _canonical(attribute: NameAttribute[str | bytes]) -> NameAttribute[str | bytes]:
    """A text in UTF-8, in small letters of ASCII, without superfluous blanks (x509_name_canon of OpenSSL)."""
    if isinstance(attribute.value, bytes):
        return attribute
    words = attribute.value.encode().lower().split()
    text = b" ".join(words).decode()
    return NameAttribute(attribute.oid, text, _ASN1Type.UTF8String, _validate=False)


def _content(sequence: bytes) -> bytes:
    long = sequence[1] & 0x7F if sequence[1] & 0x80 else 0
    return sequence[2 + long :]
