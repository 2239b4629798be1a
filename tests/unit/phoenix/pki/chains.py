"""Chains for the tests of verification and audit: constrained CAs and leaves below them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@lru_cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """The key of a name."""
    assert name
    return ec.generate_private_key(ec.SECP256R1())


def make(
    subject: str,
    issuer: str,
    *,
    names: Iterable[str] = (),
    usages: Iterable[x509.ObjectIdentifier] = (SERVER, CLIENT),
    depth: int | None = -1,
    within: bool = False,
    begin: timedelta = -DAY,
    end: timedelta = DAY,
    signer: str = "",
) -> x509.Certificate:
    """A certificate: that of a CA with a path length of `depth` (None: unlimited), or a leaf with depth -1."""
    common = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    builder = x509.CertificateBuilder(common[1], common[0], key(subject).public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW + begin).not_valid_after(NOW + end)
    is_ca = depth != -1
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(is_ca, depth if is_ca else None), True),
        (
            x509.KeyUsage(
                digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, decipher_only=False, **usage
            ),
            True,
        ),
        (x509.SubjectKeyIdentifier.from_public_key(key(subject).public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key(issuer).public_key()), False),
    ]
    if names:
        extensions.append((x509.SubjectAlternativeName([general(name) for name in names]), False))
    if not is_ca:
        extensions.append((x509.ExtendedKeyUsage(usages), False))
    if within:
        extensions.append((constraints(), True))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key(signer or issuer), SHA256())


def general(name: str) -> x509.GeneralName:
    """A name of the subject alternative names."""
    return x509.IPAddress(ip_address(name)) if name[-1].isdigit() else x509.DNSName(name)


def constraints() -> x509.NameConstraints:
    """Name constraints: the zone and the network of the tests."""
    return x509.NameConstraints([x509.DNSName("lab.test"), x509.IPAddress(ip_network("10.0.0.0/24"))], None)


def pem(certificates: Iterable[x509.Certificate]) -> str:
    """Certificates as PEM."""
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)
