"""The name of a certificate's hash link, as OpenSSL makes it of the subject: made once, and not on each host."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1

from cryptography import x509
from cryptography.x509.name import NameAttribute

SEQUENCE, SET, UTF8_STRING = 0x30, 0x31, 0x0C
"""Tags of DER (ITU-T X.690)."""


@lru_cache
def subject_hash(pem: str) -> str:
    """The eight digits of `openssl x509 -subject_hash`: SHA-1 of the subject in canonical form, first four bytes."""
    subject = x509.load_pem_x509_certificate(pem.encode()).subject
    # The parts follow each other without the sequence that a name is otherwise.
    encoded = b"".join(_tlv(SET, b"".join(sorted(map(_canonical, rdn)))) for rdn in subject.rdns)
    return sha1(encoded, usedforsecurity=False).digest()[3::-1].hex()


def _canonical(attribute: NameAttribute[str | bytes]) -> bytes:
    """A text in UTF-8, in small letters of ASCII, without superfluous blanks (x509_name_canon of OpenSSL)."""
    whole = x509.Name([attribute]).public_bytes()
    if isinstance(attribute.value, bytes):
        return _content(_content(whole))
    oid = _first(_content(_content(_content(whole))))
    text = b" ".join(attribute.value.encode().lower().split())
    return _tlv(SEQUENCE, oid + _tlv(UTF8_STRING, text))


def _tlv(tag: int, content: bytes) -> bytes:
    """One element of DER: tag, length, content."""
    length = len(content)
    if length < 0x80:  # noqa: PLR2004  # the short form of a length
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + content


def _header(element: bytes) -> tuple[int, int]:
    """How long tag and length of an element are, and how long is its content."""
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
