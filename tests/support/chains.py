"""A small CA for tests with real servers: root, intermediate and leaves that are valid now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOUR = timedelta(hours=1)
Key = ec.EllipticCurvePrivateKey


class Authority:
    """Writes `root.crt`, and a chain and a key for every leaf."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        root_key, self._key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _signed("root", root_key, "root", root_key, authority=True)
        self._issuer = _signed("intermediate", self._key, "root", root_key, authority=True)
        self.root = folder / "root.crt"
        self.root.write_bytes(root.public_bytes(Encoding.PEM))

    def leaf(self, *names: str, end: timedelta = HOUR) -> tuple[str, str]:
        """Issue a leaf for names and addresses; return the paths of its chain and its key."""
        key, stem = ec.generate_private_key(ec.SECP256R1()), self.folder / names[0]
        leaf = _signed(names[0], key, "intermediate", self._key, names=names, end=end)
        chain, secret = stem.with_suffix(".crt"), stem.with_suffix(".key")
        chain.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in (leaf, self._issuer)))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(chain), str(secret)


def _signed(
    subject: str,
    key: Key,
    issuer: str,
    issuer_key: Key,
    *,
    authority: bool = False,
    names: tuple[str, ...] = (),
    end: timedelta = HOUR,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - 2 * HOUR).not_valid_after(now + end)
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([*map(_general, names)]), critical=False)
    return builder.sign(issuer_key, SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
