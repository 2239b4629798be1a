"""The file name of a certificate's hash link in `/etc/ssl/certs`, computed here so that hosts need not run OpenSSL."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1

from cryptography import x509
from cryptography.x509.name import NameAttribute

SEQUENCE, SET, UTF8_STRING = 0x30, 0x31, 0x0C
"""Tags of DER (ITU-T X.690)."""


@lru_cache
def subject_hash(pem: str) -> str:
    """The eight digits of `openssl x509 -subject_hash`: the first four bytes of the canonical subject's SHA-1."""
    subject = x509.load_pem_x509_certificate(pem.encode()).subject
    # OpenSSL hashes the concatenated RDNs without the SEQUENCE that usually wraps them.
    encoded = b"".join(_tlv(SET, b"".join(sorted(map(_canonical, rdn)))) for rdn in subject.rdns)
    return sha1(encoded, usedforsecurity=False).digest()[3::-1].hex()


def _canonical(attribute: NameAttribute[str | bytes]) -> bytes:
    """A text as UTF-8, its ASCII letters in lower case, its blanks collapsed (OpenSSL's x509_name_canon)."""
    whole = x509.Name([attribute]).public_bytes()
    if isinstance(attribute.value, bytes):
        return _content(_content(whole))
    oid = _first(_content(_content(_content(whole))))
    text = b" ".join(attribute.value.encode().lower().split())
    return _tlv(SEQUENCE, oid + _tlv(UTF8_STRING, text))


def _tlv(tag: int, content: bytes) -> bytes:
    """Encode one element of DER: tag, length, content."""
    length = len(content)
    if length < 0x80:  # noqa: PLR2004  # the short form of a length
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + content


def _header(element: bytes) -> tuple[int, int]:
    """The size of an element's tag and length, and the size of its content, in bytes."""
    if element[1] < 0x80:  # noqa: PLR2004  # as above
        return 2, element[1]
    end = 2 + (element[1] & 0x7F)
    return end, int.from_bytes(element[2:end])


def _content(element: bytes) -> bytes:
    begin, length = _header(element)
    return element[begin : begin + length]


def _first(elements: bytes) -> bytes:
    begin, length = _header(elements)
    return elements[: begin + length]
