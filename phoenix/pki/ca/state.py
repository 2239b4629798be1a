"""The CA's state as observed: absent, interrupted, valid, or damaged, with what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network

from cryptography import x509

from phoenix.conventions import CA_CONFIG
from phoenix.estate.duration import format_duration
from phoenix.pki.ca.config import NEXT_PAIR, NEXT_ROOT, OLD_PAIR, OLD_ROOT, Signing, read_config, signing
from phoenix.pki.x509.chain import is_issued_by
from phoenix.pki.x509.fields import public_pem

NEEDED = (OLD_ROOT, *OLD_PAIR, "secrets/password", "secrets/provisioner_password", CA_CONFIG, "db")
"""Paths without which the CA cannot work; the root's key is not one of them, because it can be offline."""
CERTIFICATES = (OLD_ROOT, OLD_PAIR[0], NEXT_ROOT, NEXT_PAIR[0])
KEYS = (OLD_PAIR[1], NEXT_PAIR[1])
ROOT_KEY = "secrets/root_ca_key"
BEGUN = (".init", ".reset")
"""Marks of work that the next run completes: creating a state, and archiving one after a reset."""
RESTORING = ".restore"


@dataclass(frozen=True)
class SeenState:
    """Paths that exist, the texts of ca.json and certificates, and the public halves of the readable keys, by path."""

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
        """Tell whether the CA holds the root's key."""
        return ROOT_KEY in self.present

    @property
    def root_public(self) -> str:
        """The public key of the old root, in PEM."""
        return public_pem(_load(self, OLD_ROOT))

    @property
    def restoring(self) -> bool:
        """Tell whether a restore was interrupted before the state was usable."""
        return RESTORING in self.present

    @property
    def begun(self) -> bool:
        """Tell whether creating or archiving the state was interrupted."""
        return any(mark in self.present for mark in BEGUN)


def damage(seen: SeenState) -> tuple[str, ...]:
    """Everything that is missing or wrong in a state that exists; empty if it is valid."""
    if seen.restoring:
        return ("a restore was interrupted",)
    missing = [path for path in NEEDED if path not in seen.present]
    if missing:
        return (f"{', '.join(missing)} missing or empty",)
    try:
        signs = signing(read_config(seen.config))
    except ValueError as error:
        return (f"{CA_CONFIG} cannot be read: {error}",)
    return tuple(_signing_damage(seen, signs))


def _signing_damage(seen: SeenState, signs: Signing) -> Iterator[str]:
    """What is wrong with the certificates and keys that ca.json names."""
    loaded: dict[str, x509.Certificate] = {}
    for path in dict.fromkeys((*signs.roots, signs.certificate)):
        try:
            loaded[path] = x509.load_pem_x509_certificate(seen.certificates.get(path, "").encode())
        except ValueError:
            yield f"{path} is {'no certificate' if path in seen.present else 'missing'}"
    certificate = loaded.get(signs.certificate)
    public = seen.public_keys.get(signs.key, "").strip()
    if not public:
        yield f"{signs.key} is {'unreadable' if signs.key in seen.present else 'missing'}"
    elif certificate and public != public_pem(certificate):
        yield f"{signs.key} does not belong to {signs.certificate}"
    roots = [loaded[path] for path in signs.roots if path in loaded]
    if certificate and roots and not any(is_issued_by(certificate, root) for root in roots):
        yield f"{signs.certificate} was not signed by {signs.roots[-1]}"


def signing_root(seen: SeenState, signs: Signing) -> str | None:
    """The path of the root that issued the signing intermediate."""
    certificate = _load(seen, signs.certificate)
    return next((path for path in signs.roots if is_issued_by(certificate, _load(seen, path))), None)


def uncovered_names(root: str, domains: tuple[str, ...], networks: tuple[IPv4Network, ...]) -> str | None:
    """Domains and networks of the inventory that the root's name constraints exclude (RFC 5280, section 4.2.1.10).

    None if the root covers all; its constraints were fixed when it was created.
    """
    try:
        limits = x509.load_pem_x509_certificate(root.encode()).extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        return "anything: it has no name constraints"
    permitted = limits.value.permitted_subtrees or []
    names = {name.value for name in permitted if isinstance(name, x509.DNSName)}
    ranges = [
        name.value for name in permitted if isinstance(name, x509.IPAddress) and isinstance(name.value, IPv4Network)
    ]
    uncovered = [domain for domain in domains if domain not in names]
    uncovered += [str(net) for net in networks if not any(net.subnet_of(one) for one in ranges)]
    return ", ".join(uncovered) or None


def too_old(root: str, issuer: str, longest: timedelta, now: datetime) -> str | None:
    """Say which of root and intermediate (PEM) expires before a leaf issued now would, and how to replace it."""
    for title, pem, option in (("root", root, "--root"), ("intermediate", issuer, "--intermediate")):
        remaining = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc - now
        if remaining < longest:
            lives = f"less than the lifetime of a leaf ({format_duration(longest)})"
            return f"the {title} has {max(remaining.days, 0)} days left, {lives}: run phoenix rotate {option}"
    return None


def _load(seen: SeenState, path: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(seen.certificates[path].encode())
