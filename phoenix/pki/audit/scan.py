"""What a scan of a host printed (templates/audit/scan.sh) → the certificates, keys and stores that lie there."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from phoenix.pki.bundle import CERTIFICATE

CURVES = {"prime256v1": "EC P-256", "secp384r1": "EC P-384", "secp521r1": "EC P-521"}
State = Literal["plain", "encrypted", "broken", "held"]
"""Of a private key: readable, behind a password, damaged, or inside a storage that is not opened for its keys."""


@dataclass(frozen=True)
class Place:
    """A file of a host, with its owner (`user:group`) and octal mode; `part` names what is inside a storage."""

    host: str
    path: str
    owner: str
    mode: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.path}#{self.part}" if self.part else self.path

    def open_to(self, bits: int) -> bool:
        """Tell whether any of the permission bits is set."""
        return int(self.mode, 8) & bits != 0


@dataclass(frozen=True)
class FoundCertificate:
    """The certificates of one file, or of one name in a storage: PEM texts, of which the first is the file's own."""

    place: Place
    chain: tuple[str, ...]

    @property
    def pem(self) -> str:
        """The whole chain as one text."""
        return "".join(self.chain)


@dataclass(frozen=True)
class FoundKey:
    """A private key: the SHA-256 of its public half, in hexadecimal, and its kind, where they could be learned."""

    place: Place
    state: State
    public: str | None = None
    kind: str = "-"


@dataclass(frozen=True)
class FoundStore:
    """A file that holds many anchors, or one that was not opened."""

    place: Place
    certificates: int | None = None


@dataclass
class Scan:
    """Everything that one host told; `complete` is False when the scan did not come to its end.

    `readers` are configuration files by path; `units` active state and result by unit; `served` the certificate in DER
    that an endpoint presents, empty where nothing answers.
    """

    host: str
    complete: bool = False
    certificates: list[FoundCertificate] = field(default_factory=list)
    keys: list[FoundKey] = field(default_factory=list)
    stores: list[FoundStore] = field(default_factory=list)
    unreadable: list[Place] = field(default_factory=list)
    readers: dict[str, list[str]] = field(default_factory=dict)
    units: dict[str, tuple[str, str]] = field(default_factory=dict)
    served: dict[str, bytes] = field(default_factory=dict)


def read_scan(host: str, output: str) -> Scan:
    """Read what the scan printed."""
    scan, place = Scan(host), Place(host, "", "", "0")
    for line in output.splitlines():
        kind, _, rest = line.partition("|")
        if kind == "@file":
            mode, owner, path = rest.split("|", 2)
            place = Place(host, path, owner, mode.zfill(4))
        elif kind == "@main":
            place = Place(host, place.path, place.owner, place.mode, rest)
        else:
            _read_fact(scan, place, kind, rest)
    return scan


def _read_fact(scan: Scan, place: Place, kind: str, rest: str) -> None:
    match kind:
        case "@certificates" | "@encoded":
            _read_certificates(scan, place, b64decode(rest).decode("utf-8", "replace"))
        case "@key":
            _read_key(scan, place, rest)
        case "@held":
            part = place.part if rest == "certificate" else rest
            scan.keys.append(FoundKey(Place(place.host, place.path, place.owner, place.mode, part), "held"))
        case "@store":
            scan.stores.append(FoundStore(place, int(rest)))
        case "@container":
            scan.stores.append(FoundStore(place))
        case "@unreadable":
            scan.unreadable.append(place)
        case "@reader":
            file, path = rest.split("|", 1)
            scan.readers.setdefault(path, []).append(file)
        case _:
            _read_state(scan, kind, rest)


def _read_state(scan: Scan, kind: str, rest: str) -> None:
    """Read what is no file."""
    match kind:
        case "@unit":
            active, outcome, name = rest.split("|", 2)
            scan.units[name] = (active, outcome)
        case "@served":
            der, name = rest.split("|", 1)
            scan.served[name] = b64decode(der)
        case "@end":
            scan.complete = True


def _read_certificates(scan: Scan, place: Place, text: str) -> None:
    chain = tuple(f"{pem}\n" for pem in CERTIFICATE.findall(text.replace("X509 CERT", "CERT").replace("\r", "")))
    if chain:
        scan.certificates.append(FoundCertificate(place, chain))
    else:
        scan.unreadable.append(place)


def _read_key(scan: Scan, place: Place, rest: str) -> None:
    number, state, public, kind = rest.split("|", 3)
    place = place if number == "1" else Place(place.host, place.path, place.owner, place.mode, f"key {number}")
    known: State = "encrypted" if state == "encrypted" else "plain" if state == "plain" else "broken"
    scan.keys.append(FoundKey(place, known, public if len(public) > 1 else None, _kind(kind)))


def _kind(said: str) -> str:
    """The kind of a key, as in phoenix.pki.x509, from the words of openssl or ssh-keygen."""
    words = said.split()
    if words[:1] == ["ssh"]:
        return f"SSH {words[2].strip('()')} {words[1]}" if len(words) > 2 else "SSH"  # noqa: PLR2004  # ssh, bits, kind
    facts = dict(zip(words[::2], words[1::2], strict=False))
    if oid := facts.get("oid"):
        return CURVES.get(oid, f"EC {oid}")
    return f"RSA {facts.get('bits', '?')}" if facts.get("kind") == "RSA" else facts.get("kind", "-").title()


def public_sum(certificate: x509.Certificate) -> str:
    """The SHA-256 of a certificate's public key, in hexadecimal."""
    encoded = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(encoded).hexdigest()
