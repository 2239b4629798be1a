"""The report of one host's scan (templates/audit/scan.sh): its certificates, keys, stores, units and ports."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

WORLD_READABLE, OTHERS_WRITE = 0o004, 0o022
KeyState = Literal["plain", "encrypted", "broken", "held"]
"""Of a private key: readable, encrypted with a password, damaged, or inside a storage whose keys are not read."""


@dataclass(frozen=True)
class FileLocation:
    """A file on a host, with its owner (`user:group`) and octal mode; `part` names an entry of a storage."""

    host: str
    path: str
    owner: str
    mode: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.path}#{self.part}" if self.part else self.path

    @property
    def world_readable(self) -> bool:
        """Tell whether every user can read the file."""
        return int(self.mode, 8) & WORLD_READABLE != 0

    @property
    def writable_by_others(self) -> bool:
        """Tell whether group or other users can write the file."""
        return int(self.mode, 8) & OTHERS_WRITE != 0


@dataclass(frozen=True)
class FoundCertificate:
    """The certificates of one file, or of one name in a storage, as PEM texts; the first is the file's own."""

    location: FileLocation
    chain: tuple[str, ...]

    @property
    def pem(self) -> str:
        """The whole chain as one text."""
        return "".join(self.chain)

    @property
    def certificate(self) -> x509.Certificate:
        """The first certificate; ValueError if it is invalid."""
        return x509.load_pem_x509_certificate(self.chain[0].encode())


@dataclass(frozen=True)
class FoundKey:
    """A private key: the SHA-256 of its public half, in hexadecimal, and its type, where they are known."""

    location: FileLocation
    state: KeyState
    public: str | None = None
    kind: str = "-"


@dataclass(frozen=True)
class FoundStore:
    """A file with many certificates, or (without a number) one that was not opened."""

    location: FileLocation
    certificates: int | None = None


@dataclass
class Scan:
    """Everything that one host reported; `complete` is False if the scan did not finish.

    `readers` are configuration files by the path that they name; `units` are active state and result by unit; `served`
    is the certificate in DER that an endpoint presents, empty where it presents none; `silent` are endpoints that did
    not answer in time.
    """

    host: str
    complete: bool = False
    certificates: list[FoundCertificate] = field(default_factory=list)
    keys: list[FoundKey] = field(default_factory=list)
    stores: list[FoundStore] = field(default_factory=list)
    unreadable: list[FileLocation] = field(default_factory=list)
    readers: dict[str, list[str]] = field(default_factory=dict)
    units: dict[str, tuple[str, str]] = field(default_factory=dict)
    served: dict[str, bytes] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)


def public_sum(certificate: x509.Certificate) -> str:
    """The SHA-256 of a certificate's public key, in hexadecimal."""
    encoded = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(encoded).hexdigest()
