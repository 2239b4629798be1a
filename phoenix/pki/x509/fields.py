"""The fields of one certificate, in the terms in which the inventory states them."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

PARSE_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""The exceptions that cryptography raises for an invalid certificate, on loading or when a field is read."""
STEP_PROVISIONER = x509.ObjectIdentifier("1.3.6.1.4.1.37476.9000.64.1")
"""step-ca's own extension: a sequence of the provisioner's type, name and id."""
CURVES = {"secp256r1": "EC P-256", "secp384r1": "EC P-384", "secp521r1": "EC P-521"}
USAGE_NAMES = {ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth", ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth"}


def public_pem(certificate: x509.Certificate) -> str:
    """The public key in PEM, as `openssl pkey -pubout` prints it, without the final newline."""
    key = certificate.public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip()


def key_type(certificate: x509.Certificate) -> str:
    """Type and size of the key: `EC P-256`, `RSA 2048`, or the name of the algorithm."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return CURVES.get(key.curve.name, f"EC {key.curve.name}")
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return type(key).__name__.removesuffix("PublicKey")


def alternative_names(certificate: x509.Certificate) -> tuple[set[str], set[str]]:
    """DNS names and addresses of the subject alternative name (RFC 5280, section 4.2.1.6)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set(), set()
    return set(names.get_values_for_type(x509.DNSName)), set(map(str, names.get_values_for_type(x509.IPAddress)))


def usages(certificate: x509.Certificate) -> set[str]:
    """The extended key usages (RFC 5280, section 4.2.1.12); unknown ones as dotted object identifiers."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return set()
    return {USAGE_NAMES.get(usage, usage.dotted_string) for usage in extension}


def names_provisioner(certificate: x509.Certificate, key_id: str) -> bool:
    """Tell whether step-ca recorded this provisioner's key id in the certificate."""
    try:
        extension = certificate.extensions.get_extension_for_oid(STEP_PROVISIONER).value
    except x509.ExtensionNotFound:
        return False
    return isinstance(extension, x509.UnrecognizedExtension) and key_id.encode() in extension.value
