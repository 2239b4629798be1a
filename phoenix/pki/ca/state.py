"""The authority's state as it was seen: absent, interrupted, sound, or damaged, and then what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from phoenix.estate.duration import spell_duration
from phoenix.pki.ca.config import NEXT_PAIR, NEXT_ROOT, OLD_PAIR, OLD_ROOT, Signing, read_config, signing
from phoenix.pki.x509.fields import public_pem

NEEDED = (OLD_ROOT, *OLD_PAIR, "secrets/password", "secrets/provisioner_password", "config/ca.json", "db")
"""What the authority cannot be without; the root's key may have been taken offline."""
CERTIFICATES = (OLD_ROOT, OLD_PAIR[0], NEXT_ROOT, NEXT_PAIR[0])
KEYS = (OLD_PAIR[1], NEXT_PAIR[1])
ROOT_KEY = "secrets/root_ca_key"
BEGUN = (".init", ".reset")
"""Marks of what a further run brings to its end: making the state, and archiving one that was given up."""
RESTORING = ".restore"


@dataclass(frozen=True)
class SeenState:
    """Paths that exist, the text of ca.json and of certificates, and the public halves of keys that can be read."""

    present: frozenset[str]
    config: str | None = None
    certificates: Mapping[str, str] = field(default_factory=dict)
    public_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def absent(self) -> bool:
        """Tell whether there is no state at all."""
        return not self.restoring and not any(path in self.present for path in NEEDED)

    @property
    def root_is_online(self) -> bool:
        """Tell whether the root's key is on the authority."""
        return ROOT_KEY in self.present

    @property
    def root_public(self) -> str:
        """The public key of the root on its usual place."""
        return public_pem(x509.load_pem_x509_certificate(self.certificates[OLD_ROOT].encode()))

    @property
    def restoring(self) -> bool:
        """Tell whether a restoration was interrupted before it had anything that could be used."""
        return RESTORING in self.present

    @property
    def begun(self) -> bool:
        """Tell whether it was being made or given up."""
        return any(mark in self.present for mark in BEGUN)


def damage(seen: SeenState) -> tuple[str, ...]:
    """Everything that is missing or wrong in a state that is there; nothing if it is sound."""
    if RESTORING in seen.present:
        return ("a restoration was interrupted",)
    missing = [path for path in NEEDED if path not in seen.present]
    if missing:
        return (f"{', '.join(missing)} missing or empty",)
    try:
        signs = signing(read_config(seen.config))
    except ValueError as error:
        return (f"config/ca.json cannot be read: {error}",)
    return tuple(_pairs(seen, signs))


def _pairs(seen: SeenState, signs: Signing) -> Iterator[str]:
    """What is wrong with the certificates and keys that ca.json names."""
    read: dict[str, x509.Certificate] = {}
    for path in dict.fromkeys((*signs.roots, signs.certificate)):
        try:
            read[path] = x509.load_pem_x509_certificate(seen.certificates.get(path, "").encode())
        except ValueError:
            yield f"{path} is {'no certificate' if path in seen.present else 'missing'}"
    certificate = read.get(signs.certificate)
    public = seen.public_keys.get(signs.key, "").strip()
    if not public:
        yield f"{signs.key} is {'unreadable' if signs.key in seen.present else 'missing'}"
    elif certificate and public != public_pem(certificate):
        yield f"{signs.key} does not belong to {signs.certificate}"
    roots = [read[path] for path in signs.roots if path in read]
    if certificate and roots and not any(_signed(certificate, root) for root in roots):
        yield f"{signs.certificate} was not signed by {signs.roots[-1]}"


def signing_root(seen: SeenState, signs: Signing) -> str | None:
    """The path of the root that the signing intermediate leads to."""
    certificate = x509.load_pem_x509_certificate(seen.certificates[signs.certificate].encode())
    roots = {path: x509.load_pem_x509_certificate(seen.certificates[path].encode()) for path in signs.roots}
    return next((path for path, root in roots.items() if _signed(certificate, root)), None)


def outgrown(root: str, domains: tuple[str, ...], networks: tuple[IPv4Network, ...]) -> str | None:
    """What the inventory has and the root may not sign for; its names were fixed when it was made."""
    try:
        limits = x509.load_pem_x509_certificate(root.encode()).extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        return "anything: it has no name constraints"
    permitted = limits.value.permitted_subtrees or []
    names = {name.value for name in permitted if isinstance(name, x509.DNSName)}
    ranges = [
        name.value for name in permitted if isinstance(name, x509.IPAddress) and isinstance(name.value, IPv4Network)
    ]
    strangers = [domain for domain in domains if domain not in names]
    strangers += [str(net) for net in networks if not any(net.subnet_of(one) for one in ranges)]
    return ", ".join(strangers) or None


def too_old(root: str, issuer: str, longest: timedelta, now: datetime) -> str | None:
    """Which of the two ends before a leaf that is issued now would, and how it is replaced."""
    for title, pem, option in (("root", root, "--root"), ("intermediate", issuer, "--intermediate")):
        left = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc - now
        if left < longest:
            lives = f"less than a leaf lives ({spell_duration(longest)})"
            return f"the {title} has {max(left.days, 0)} days left, {lives}: run runbooks/rotate.py {option}"
    return None


def _signed(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
