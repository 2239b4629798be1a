"""Whether a leaf may stay, as a pure function of what is wanted, what is there, who signs, and the time.

The table of RFC 5280's fields that matter here, in the order of their weight: the first reason is the one that is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from phoenix.derive.certificates import Leaf
from phoenix.estate.duration import spell_duration
from phoenix.pki.bundle import SeenAuthority
from phoenix.pki.x509 import (
    alternative_names,
    key_type,
    provisioner_says,
    public_pem,
    usages,
)

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What a file that is no sound certificate makes the library raise."""
USAGES = {"server": {"serverAuth", "clientAuth"}, "client": {"clientAuth"}}
"""Extended key usages by what a leaf is for; the authority renews only what may be shown as a client, too."""
BACKDATED = timedelta(minutes=2)
"""The authority lets a certificate begin a little before it is made, for clocks that are a little slow."""
FAST_CLOCK = timedelta(minutes=5)


@dataclass(frozen=True)
class Keep:
    """The leaf is as it should be."""


@dataclass(frozen=True)
class Settle:
    """The leaf is good, but owner or mode of its files must be put right."""

    reason: str


@dataclass(frozen=True)
class Renew:
    """The leaf is due: the authority is asked for the same one again, by the certificate itself."""

    reason: str


@dataclass(frozen=True)
class Reissue:
    """The leaf must be issued anew, with a new key, by a token."""

    reason: str


Decision = Keep | Settle | Renew | Reissue


@dataclass(frozen=True)
class SeenFile:
    """Owner (`user:group`) and octal mode of a file."""

    owner: str
    mode: str

    def __str__(self) -> str:
        return f"{self.owner} {self.mode}"

    @property
    def open_to_others(self) -> bool:
        """Tell whether everybody may read or write it."""
        return int(self.mode, 8) & 0o007 != 0


@dataclass(frozen=True)
class SeenLeaf:
    """What lies on the host: PEM of the certificate with its intermediate and of the public half of its key, and files.

    A file is None where it is absent or was not looked at.
    """

    chain: str | None
    public_key: str | None
    certificate_file: SeenFile | None = None
    key_file: SeenFile | None = None


def decide(leaf: Leaf, seen: SeenLeaf, authority: SeenAuthority | None, now: datetime) -> Decision:
    """Decide on a leaf; without an authority everything has to be issued."""
    if not seen.chain:
        return Reissue("absent")
    try:
        chain = x509.load_pem_x509_certificates(seen.chain.encode())
        reason = next(_faults(leaf, seen, chain, authority, now), None)
    except UNREADABLE:
        return Reissue("unreadable")
    if reason:
        return Reissue(reason)
    end = chain_end(chain)
    if end - now <= leaf.validity.before:
        return Renew(f"{left(end - now)} left, renewed from {spell_duration(leaf.validity.before)} on")
    wrong = _wrong_files(leaf, seen)
    return Settle(wrong) if wrong else Keep()


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def left(time: timedelta) -> str:
    """A time to come in the words of a person: days, else hours, else minutes."""
    minutes = time.total_seconds() / 60
    if minutes >= 2 * 24 * 60:
        return f"{minutes / 24 / 60:.0f} d"
    return f"{minutes / 60:.1f} h" if minutes >= 120 else f"{minutes:.0f} min"  # noqa: PLR2004  # minutes


def _faults(
    leaf: Leaf, seen: SeenLeaf, chain: list[x509.Certificate], authority: SeenAuthority | None, now: datetime
) -> Iterator[str]:
    """Everything for which renewal is no cure."""
    certificate = chain[0]
    if not seen.public_key:
        yield "its key is absent or unreadable"
    elif public_pem(certificate) != seen.public_key.strip():
        yield "its key does not match"
    if key_type(certificate) != leaf.key_type:
        yield f"its key is {key_type(certificate)}, should be {leaf.key_type}"
    if seen.key_file and seen.key_file.open_to_others and not int(leaf.key_mode, 8) & 0o007:
        yield f"its key could be read by everybody (mode {seen.key_file.mode})"
    yield from _names_differ(leaf, certificate)
    if usages(certificate) != USAGES[leaf.usage]:
        yield f"usage differs: is {', '.join(sorted(usages(certificate))) or 'none'}"
    yield from _time_faults(leaf, chain, now)
    yield from _issuer_faults(chain, authority)


def _names_differ(leaf: Leaf, certificate: x509.Certificate) -> Iterator[str]:
    dns, addresses = alternative_names(certificate)
    missing = sorted((set(leaf.dns) - dns) | (set(leaf.ips) - addresses))
    surplus = sorted((dns - set(leaf.dns)) | (addresses - set(leaf.ips)))
    if missing or surplus:
        parts = [f"missing {', '.join(missing)}"] if missing else []
        parts += [f"surplus {', '.join(surplus)}"] if surplus else []
        yield f"names differ: {'; '.join(parts)}"


def _issuer_faults(chain: list[x509.Certificate], authority: SeenAuthority | None) -> Iterator[str]:
    anchors = authority.bundle.anchors if authority else ()
    if not any(leads_to(chain, anchor) for anchor in anchors):
        yield "it does not lead to the estate's root"
    if authority and authority.issuer:
        issuer = x509.load_pem_x509_certificate(authority.issuer.encode())
        if len(chain) < 2 or chain[1] != issuer:  # noqa: PLR2004  # leaf and intermediate
            yield "it is signed by an intermediate that signs no more"
    if authority and authority.provisioner and not provisioner_says(chain[0], authority.provisioner):
        yield "the provisioner that it came from is withdrawn"


def leads_to(chain: list[x509.Certificate], anchor: str) -> bool:
    """Tell whether each certificate was signed by the next, and the last by the anchor (PEM)."""
    try:
        root = x509.load_pem_x509_certificate(anchor.encode())
        above = [certificate for certificate in chain[1:] if certificate != root]
        for subject, issuer in zip([chain[0], *above], [*above, root], strict=True):
            subject.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _time_faults(leaf: Leaf, chain: list[x509.Certificate], now: datetime) -> Iterator[str]:
    begin, end = chain[0].not_valid_before_utc, chain_end(chain)
    if end <= now:
        yield f"expired {end:%Y-%m-%d %H:%M} UTC"
    if now < begin - FAST_CLOCK:
        yield f"not valid before {begin:%Y-%m-%d %H:%M} UTC: is a clock wrong?"
    if fault := lifetime_fault(chain[0], leaf.validity.lifetime):
        yield fault


def lifetime_fault(certificate: x509.Certificate, wanted: timedelta) -> str:
    """Say that a certificate was made to live longer or shorter than is wanted; nothing if it was not."""
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if timedelta() <= lifetime - wanted <= BACKDATED:
        return ""
    return f"it was made to live {left(lifetime)}, the inventory says {spell_duration(wanted)}"


def chain_end(chain: list[x509.Certificate]) -> datetime:
    """When the chain ceases to be valid: with the first of its certificates that ends."""
    return min(certificate.not_valid_after_utc for certificate in chain)


def _wrong_files(leaf: Leaf, seen: SeenLeaf) -> str:
    wanted = ((seen.certificate_file, leaf.certificate, "0644"), (seen.key_file, leaf.key, leaf.key_mode))
    return "; ".join(
        f"{path} is {file}, should be {leaf.owner} {mode}"
        for file, path, mode in wanted
        if file and (file.owner, file.mode) != (leaf.owner, mode)
    )
