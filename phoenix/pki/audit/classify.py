"""The judgement of one host's certificates and keys: which of them the inventory derives, what is wrong with each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from phoenix.conventions import REGISTRATION_UNIT, WEB_CERTIFICATE_UNIT
from phoenix.derive.certificates import Leaf
from phoenix.estate import Hypervisor
from phoenix.pki.audit.expected import STORE_DIRECTORY, Expected
from phoenix.pki.audit.finding import Flag, Row, red, yellow
from phoenix.pki.audit.findings import authority_faults, file_faults, key_faults, leaf_faults, mesh_faults, weakness
from phoenix.pki.audit.scan import FoundCertificate, FoundKey, Place, Scan, public_sum
from phoenix.pki.bundle import SeenAuthority, fingerprint
from phoenix.pki.leaf import UNREADABLE, left
from phoenix.pki.x509 import alternative_names, key_type

FORMS = ("leaf", "mesh", "anchor", "intermediate", "authority", "copy", "system", "external", "stranger")

KEEPERS = {REGISTRATION_UNIT: "portainer", WEB_CERTIFICATE_UNIT: "pveproxy"}
"""Who keeps a copy of its own, by the unit that gives it one."""


@dataclass(frozen=True)
class Judge:
    """Judges what was found on one host."""

    expected: Expected
    scan: Scan
    seen: SeenAuthority | None
    now: datetime

    def certificates(self, found: FoundCertificate) -> Iterator[Row]:
        """A row for the certificate, and for each further one that does not merely lead from it to the root."""
        try:
            chain = [x509.load_pem_x509_certificate(pem.encode()) for pem in found.chain]
            for number, certificate in enumerate(chain, 1):
                below = chain[number - 2] if number > 1 else None
                if below is None or below.issuer != certificate.subject:
                    yield self._certificate(_part(found, number), certificate)
        except UNREADABLE:
            flag = red("unreadable", "it is no sound certificate")
            yield _row(found.place, "certificate", "-", (flag,))

    def key(self, found: FoundKey) -> Row:
        """A row for a private key."""
        place = found.place
        role = self._key_role(place)
        flags = (*file_faults(place, secret=True), *key_faults(found, role), *self._stranger(role))
        leaf = self.expected.keys.get((place.host, place.path))
        return Row(
            place.host,
            str(place),
            "key",
            role,
            subject=f"key of {role}" if role not in FORMS else "-",
            readers=self._readers(place, leaf),
            key=found.kind,
            owner=place.owner,
            mode=place.mode,
            public=found.public,
            flags=flags,
        )

    def authority_served(self) -> Iterator[Row]:
        """A row for the certificate that the authority itself presents, which it keeps in no file."""
        der = self.scan.served.get("authority")
        if der is None:
            return
        endpoint = next(each for each in self.expected.endpoints(self.scan.host) if each.name == "authority")
        place = Place(self.scan.host, f"port {endpoint.address.split(':')[1]}", "-", "0000")
        if not der:
            yield _row(place, "certificate", "authority", (red("served", "the authority does not answer there"),))
            return
        certificate = x509.load_der_x509_certificate(der)
        yield self._filled(place, certificate, "authority", (*weakness(certificate), *self._expired(certificate)))

    def _certificate(self, found: FoundCertificate, certificate: x509.Certificate) -> Row:
        place = found.place
        role, faults = self._role(found, certificate)
        flags = (
            *file_faults(place, secret=False),
            *weakness(certificate),
            *faults,
            *(() if any(flag.kind == "expired" for flag in faults) else self._expired(certificate)),
            *self._stranger(role),
            *self._wrongly_trusted(place, found),
        )
        return self._filled(place, certificate, role, flags)

    def _role(self, found: FoundCertificate, certificate: x509.Certificate) -> tuple[str, tuple[Flag, ...]]:
        """What the certificate is, and what is wrong with it as such."""
        place, expected = found.place, self.expected
        if leaf := expected.certificates.get((place.host, place.path)):
            return leaf.name, tuple(leaf_faults(self, leaf, found))
        if route := expected.mesh.get((place.host, str(place))):
            return route.service, tuple(mesh_faults(self, route, found))
        return self._role_by_content(found, certificate)

    def _role_by_content(self, found: FoundCertificate, certificate: x509.Certificate) -> tuple[str, tuple[Flag, ...]]:
        place, expected = found.place, self.expected
        if expected.is_authoritys(place.host, place.path):
            return "authority", tuple(authority_faults(self, place, certificate))
        if self.seen and fingerprint(found.chain[0]) in self.seen.bundle.fingerprints:
            return "anchor", self._bundle_faults(place)
        if self.seen and self.seen.issuer and found.chain[0].strip() == self.seen.issuer.strip():
            return "intermediate", ()
        if expected.is_copy(place.host, place.path):
            return "copy", self._copy_faults(found)
        return self._foreign(place), ()

    def _key_role(self, place: Place) -> str:
        if leaf := self.expected.keys.get((place.host, place.path)):
            return leaf.name
        if route := self.expected.mesh.get((place.host, str(place))):
            return route.service
        if place.path == self.expected.places.mesh and place.part == "account":
            return "account of the mesh"
        if self.expected.is_authoritys(place.host, place.path):
            return "authority"
        if self.expected.is_copy(place.host, place.path):
            return "copy"
        return self._foreign(place)

    def _foreign(self, place: Place) -> str:
        if self.expected.is_systems(place.host, place.path):
            return "system"
        outside = getattr(self.expected.estate.host(place.host), "workload", None) == "external"
        return "external" if outside and not place.path.startswith(STORE_DIRECTORY) else "stranger"

    def _stranger(self, role: str) -> tuple[Flag, ...]:
        if role == "stranger":
            return (red("stranger", "the inventory does not derive it"),)
        return (yellow("stranger", "it belongs to a workload of somebody else"),) if role == "external" else ()

    def _wrongly_trusted(self, place: Place, found: FoundCertificate) -> tuple[Flag, ...]:
        if not place.path.startswith(f"{STORE_DIRECTORY}/") or self.seen is None:
            return ()
        if fingerprint(found.chain[0]) in self.seen.bundle.fingerprints:
            return ()
        return (red("anchor", "trusted here, and no anchor of the estate"),)

    def _expired(self, certificate: x509.Certificate) -> tuple[Flag, ...]:
        end = certificate.not_valid_after_utc
        return (red("expired", f"expired {left(self.now - end)} ago"),) if end <= self.now else ()

    def _bundle_faults(self, place: Place) -> tuple[Flag, ...]:
        """Whether a file that should hold all anchors does."""
        if place.path != self.expected.places.bundle or self.seen is None or place.part:
            return ()
        held = next(each for each in self.scan.certificates if each.place.path == place.path)
        if tuple(map(fingerprint, held.chain)) == self.seen.bundle.fingerprints:
            return ()
        return (red("wrong", "it does not hold exactly the anchors that the authority publishes"),)

    def _copy_faults(self, found: FoundCertificate) -> tuple[Flag, ...]:
        originals = {path for (host, path) in self.expected.certificates if host == found.place.host}
        if any(each.chain[0] == found.chain[0] for each in self.scan.certificates if each.place.path in originals):
            return ()
        return (red("served", "a copy that is not the certificate in the file: its reader was not told"),)

    def _readers(self, place: Place, leaf: Leaf | None) -> tuple[str, ...]:
        if leaf and leaf.reload:
            unit = leaf.reload[1]
            return (KEEPERS.get(unit, unit.removesuffix(".service")),)
        if place.path == self.expected.places.mesh:
            return ("traefik",)
        if self.expected.is_copy(place.host, place.path):
            return ("pveproxy" if isinstance(self.expected.estate.host(place.host), Hypervisor) else "portainer",)
        system = ("system store",) if place.path.startswith(f"{STORE_DIRECTORY}/") else ()
        return (*system, *self.scan.readers.get(place.path, ()))

    def _filled(self, place: Place, certificate: x509.Certificate, role: str, flags: tuple[Flag, ...]) -> Row:
        dns, addresses = alternative_names(certificate)
        end = certificate.not_valid_after_utc
        return Row(
            place.host,
            str(place),
            "certificate",
            role,
            subject=_name(certificate.subject),
            names=(*sorted(dns), *sorted(addresses)),
            issuer=_name(certificate.issuer),
            readers=self._readers(place, self.expected.certificates.get((place.host, place.path))),
            ends=end,
            days_left=round((end - self.now).total_seconds() / 86400, 2),
            key=key_type(certificate),
            owner=place.owner,
            mode=place.mode,
            public=public_sum(certificate),
            fingerprint=fingerprint(certificate.public_bytes(Encoding.PEM).decode()),
            flags=flags,
        )


def _part(found: FoundCertificate, number: int) -> FoundCertificate:
    """The certificate with that number of a file, and what follows it."""
    if number == 1:
        return found
    place = found.place
    return FoundCertificate(
        Place(place.host, place.path, place.owner, place.mode, str(number)), found.chain[number - 1 :]
    )


def _row(place: Place, kind: str, role: str, flags: tuple[Flag, ...]) -> Row:
    return Row(place.host, str(place), kind, role, owner=place.owner, mode=place.mode, flags=flags)


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string() or "-"
