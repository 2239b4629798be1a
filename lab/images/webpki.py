"""Creates the stand-in for a public web CA: it signs the certificate of `internet`, and every guest trusts it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from phoenix.lab.internet.names import HTTPS_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

AUTHORITY = "Phoenix Lab Public Web CA (stand-in)"
LIFETIME = dt.timedelta(days=3650)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFETIME)
    )


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate in PEM format."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def private_pem(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """Return a private key in unencrypted PEM format (PKCS #8)."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def self_signed(name: str, key: ec.EllipticCurvePrivateKey, names: x509.SubjectAlternativeName) -> x509.Certificate:
    """Return a self-signed certificate, which clients pin by its fingerprint."""
    builder = _certificate(name, name, key).add_extension(names, critical=False)
    constraints = x509.BasicConstraints(ca=False, path_length=None)
    return builder.add_extension(constraints, critical=True).sign(key, hashes.SHA256())


def create(directory: Path) -> None:
    """Write ca.crt, and server.crt with server.key for the served names; discard the CA's key."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = (
        _certificate(AUTHORITY, AUTHORITY, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in HTTPS_NAMES])
    server = (
        _certificate(HTTPS_NAMES[0], AUTHORITY, key)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "ca.crt").write_bytes(pem(authority))
    (directory / "server.crt").write_bytes(pem(server))
    (directory / "server.key").write_bytes(private_pem(key))
    (directory / "server.key").chmod(0o600)
