"""The decision about one leaf: a pure function of the desired leaf, the observed files, the CA, and the time.

The checks of RFC 5280's fields below are a table in order of precedence: the first fault is the reason in the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from cryptography import x509

from phoenix.derive.certificates import Leaf
from phoenix.derive.names import is_covered
from phoenix.estate.duration import format_duration
from phoenix.pki.bundle import SeenAuthority
from phoenix.pki.x509.chain import leads_to
from phoenix.pki.x509.fields import PARSE_ERRORS, alternative_names, key_type, names_provisioner, public_pem, usages
from phoenix.pki.x509.validity import chain_end, format_remaining, lifetime_mismatch

USAGES = {"server": {"serverAuth", "clientAuth"}, "client": {"clientAuth"}}
"""Extended key usages by the leaf's usage. step-ca renews over mutual TLS, so a server's leaf needs clientAuth, too."""
FAST_CLOCK = timedelta(minutes=5)
CERTIFICATE_MODE = "0644"
OTHERS = 0o007
"""Permission bits of users other than owner and group."""


class LeafFault(Enum):
    """Why a leaf must be reissued; renewal corrects none of these."""

    ABSENT = auto()
    UNREADABLE = auto()
    KEY = auto()
    NAMES = auto()
    USAGE = auto()
    EXPIRED = auto()
    NOT_YET_VALID = auto()
    LIFETIME = auto()
    ROOT = auto()
    ISSUER = auto()
    PROVISIONER = auto()


@dataclass(frozen=True)
class Keep:
    """The leaf is as desired."""


@dataclass(frozen=True)
class FixPermissions:
    """The leaf is good, but owner or mode of its files must be corrected."""

    reason: str


@dataclass(frozen=True)
class Renew:
    """The leaf is due: request the same certificate again, authenticated by the present one."""

    reason: str


@dataclass(frozen=True)
class Reissue:
    """The leaf must be issued with a new key, by a one-time token."""

    fault: LeafFault
    reason: str


Decision = Keep | FixPermissions | Renew | Reissue


@dataclass(frozen=True)
class SeenFile:
    """Owner (`user:group`) and octal mode of a file."""

    owner: str
    mode: str

    def __str__(self) -> str:
        return f"{self.owner} {self.mode}"

    @property
    def open_to_others(self) -> bool:
        """Tell whether users other than owner and group have any permission."""
        return int(self.mode, 8) & OTHERS != 0


@dataclass(frozen=True)
class SeenLeaf:
    """The leaf observed on its host: PEM of certificate and intermediate, PEM of the key's public half, both files.

    A file is None where it is absent or was not observed.
    """

    chain: str | None
    public_key: str | None
    certificate_file: SeenFile | None = None
    key_file: SeenFile | None = None


def decide(leaf: Leaf, seen: SeenLeaf, authority: SeenAuthority | None, now: datetime) -> Decision:
    """Decide on a leaf; without a known CA every leaf must be reissued."""
    if not seen.chain:
        return Reissue(LeafFault.ABSENT, "absent")
    try:
        chain = x509.load_pem_x509_certificates(seen.chain.encode())
        reissue = next(_faults(leaf, seen, chain, authority, now), None)
    except PARSE_ERRORS:
        return Reissue(LeafFault.UNREADABLE, "unreadable")
    if reissue:
        return reissue
    remaining, before = chain_end(chain) - now, leaf.validity.before
    if remaining <= before:
        return Renew(f"{format_remaining(remaining)} left, renewal is due at {format_duration(before)}")
    mismatch = _file_mismatch(leaf, seen)
    return FixPermissions(mismatch) if mismatch else Keep()


def _faults(
    leaf: Leaf, seen: SeenLeaf, chain: list[x509.Certificate], authority: SeenAuthority | None, now: datetime
) -> Iterator[Reissue]:
    """Every fault that renewal does not correct, in order of precedence."""
    certificate = chain[0]
    if not seen.public_key:
        yield Reissue(LeafFault.KEY, "its key is absent or unreadable")
    elif public_pem(certificate) != seen.public_key.strip():
        yield Reissue(LeafFault.KEY, "its key does not match")
    if key_type(certificate) != leaf.key_type:
        yield Reissue(LeafFault.KEY, f"its key is {key_type(certificate)}, should be {leaf.key_type}")
    if seen.key_file and seen.key_file.open_to_others and not int(leaf.key_mode, 8) & OTHERS:
        yield Reissue(LeafFault.KEY, f"its key is open to other users (mode {seen.key_file.mode})")
    yield from _name_faults(leaf, certificate)
    if usages(certificate) != USAGES[leaf.usage]:
        yield Reissue(LeafFault.USAGE, f"usage differs: is {', '.join(sorted(usages(certificate))) or 'none'}")
    yield from _time_faults(leaf, chain, now)
    yield from _issuer_faults(chain, authority)


def _name_faults(leaf: Leaf, certificate: x509.Certificate) -> Iterator[Reissue]:
    """Compare the names; one that a wildcard of the other side covers makes no difference to any client."""
    dns, addresses = alternative_names(certificate)
    absent = {name for name in leaf.dns if not is_covered(name, dns)}
    extra = {name for name in dns if not is_covered(name, leaf.dns)}
    missing = sorted(absent | (set(leaf.ips) - addresses))
    surplus = sorted(extra | (addresses - set(leaf.ips)))
    parts = [f"{word} {', '.join(names)}" for word, names in (("missing", missing), ("surplus", surplus)) if names]
    if parts:
        yield Reissue(LeafFault.NAMES, f"names differ: {'; '.join(parts)}")


def _time_faults(leaf: Leaf, chain: list[x509.Certificate], now: datetime) -> Iterator[Reissue]:
    begin, end = chain[0].not_valid_before_utc, chain_end(chain)
    if end <= now:
        yield Reissue(LeafFault.EXPIRED, f"expired {end:%Y-%m-%d %H:%M} UTC")
    if now < begin - FAST_CLOCK:
        yield Reissue(LeafFault.NOT_YET_VALID, f"not valid before {begin:%Y-%m-%d %H:%M} UTC: check the clocks")
    if mismatch := lifetime_mismatch(chain[0], leaf.validity.lifetime):
        yield Reissue(LeafFault.LIFETIME, mismatch)


def _issuer_faults(chain: list[x509.Certificate], authority: SeenAuthority | None) -> Iterator[Reissue]:
    anchors = authority.bundle.anchors if authority else ()
    if not any(leads_to(chain, anchor) for anchor in anchors):
        yield Reissue(LeafFault.ROOT, "its chain does not lead to the estate's root")
    if authority and authority.issuer:
        issuer = x509.load_pem_x509_certificate(authority.issuer.encode())
        if chain[1:2] != [issuer]:
            yield Reissue(LeafFault.ISSUER, "it was signed by a retired intermediate")
    if authority and authority.provisioner and not names_provisioner(chain[0], authority.provisioner):
        yield Reissue(LeafFault.PROVISIONER, "the provisioner key that issued it was replaced")


def _file_mismatch(leaf: Leaf, seen: SeenLeaf) -> str:
    desired = (
        (seen.certificate_file, leaf.certificate, CERTIFICATE_MODE),
        (seen.key_file, leaf.key, leaf.key_mode),
    )
    return "; ".join(
        f"{path} is {file}, should be {leaf.owner} {mode}"
        for file, path, mode in desired
        if file and (file.owner, file.mode) != (leaf.owner, mode)
    )
