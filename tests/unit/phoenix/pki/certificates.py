"""Certificates for the tests of decisions, with a parameter for everything that can be wrong with one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
STEP = x509.ObjectIdentifier("1.3.6.1.4.1.37476.9000.64.1")
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@lru_cache
def key(name: str) -> Key:
    """The key of a name; the prefix of the name selects its type."""
    if name.startswith("rsa"):
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP384R1() if name.startswith("p384") else ec.SECP256R1())


def name(text: str) -> x509.Name:
    """A subject of one common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    subject: str,
    issuer: str,
    *,
    names: Iterable[str] = (),
    addresses: Iterable[str] = (),
    usages: Iterable[str] = (),
    provisioner: str = "",
    begin: timedelta = -HOUR,
    end: timedelta = 23 * HOUR,
) -> str:
    """A certificate signed by the key of its issuer's name."""
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
    builder = builder.public_key(key(subject).public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW + begin).not_valid_after(NOW + end)
    general = [*map(x509.DNSName, names), *(x509.IPAddress(ip_address(address)) for address in addresses)]
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    if purposes := [USAGES[usage] for usage in usages]:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if provisioner:
        text = b"\x04" + bytes([len(provisioner)]) + provisioner.encode()
        builder = builder.add_extension(x509.UnrecognizedExtension(STEP, text), critical=False)
    return builder.sign(key(issuer), SHA256()).public_bytes(Encoding.PEM).decode()


def public(subject: str) -> str:
    """The public half of a key, as openssl prints it."""
    return key(subject).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
