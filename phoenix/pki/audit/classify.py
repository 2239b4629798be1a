"""The certificates and keys of one host → findings: each with its role, its flags and its readers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from phoenix.conventions import ANCHORS_DIRECTORY, REGISTRATION_UNIT, WEB_CERTIFICATE_UNIT
from phoenix.derive.certificates import Leaf
from phoenix.estate import Hypervisor
from phoenix.pki.audit.certificate_flags import AuditContext
from phoenix.pki.audit.endpoints import CA_ENDPOINT, endpoints_of
from phoenix.pki.audit.finding import CommonRole, Finding, Flag, red
from phoenix.pki.audit.roles import certificate_role, key_role, role_flags, trust_flags
from phoenix.pki.audit.scan import FileLocation, FoundCertificate, FoundKey, public_sum
from phoenix.pki.audit.weakness import algorithm_flags, expiry_flags, file_flags, key_flags
from phoenix.pki.bundle import fingerprint
from phoenix.pki.x509.fields import PARSE_ERRORS, alternative_names, key_type

COPY_KEEPERS = {REGISTRATION_UNIT: "portainer", WEB_CERTIFICATE_UNIT: "pveproxy"}
"""Services that keep a copy of a leaf, by the unit that hands it over."""


@dataclass(frozen=True)
class Classifier:
    """Classifies what a scan found on one host."""

    context: AuditContext

    def certificates(self, found: FoundCertificate) -> Iterator[Finding]:
        """A finding for the file's certificate, and for each further one that is not the issuer of the one before."""
        try:
            chain = [x509.load_pem_x509_certificate(pem.encode()) for pem in found.chain]
            for number, certificate in enumerate(chain, 1):
                below = chain[number - 2] if number > 1 else None
                if below is None or below.issuer != certificate.subject:
                    yield self._certificate(_part(found, number), certificate)
        except PARSE_ERRORS:
            yield _unreadable(found.location, CommonRole.NONE, red("unreadable", "it is not a valid certificate"))

    def key(self, found: FoundKey) -> Finding:
        """The finding for a private key."""
        location = found.location
        role = key_role(self.context, location)
        leaf = self.context.expected.keys.get((location.host, location.path))
        return Finding(
            location.host,
            str(location),
            "key",
            role,
            subject="-" if isinstance(role, CommonRole) else f"key of {role}",
            readers=self._readers(location, leaf),
            key=found.kind,
            owner=location.owner,
            mode=location.mode,
            public=found.public,
            flags=(*file_flags(location, secret=True), *key_flags(found, role), *role_flags(role)),
        )

    def ca_served(self) -> Iterator[Finding]:
        """The certificate that the CA's port presents; step-ca keeps it in memory only."""
        expected, host = self.context.expected, self.context.scan.host
        der, is_silent = self.context.scan.served.get(CA_ENDPOINT), CA_ENDPOINT in self.context.scan.silent
        if der is None and not is_silent:
            return
        endpoint = next(each for each in endpoints_of(expected.estate, host) if each.name == CA_ENDPOINT)
        location = FileLocation(host, f"port {endpoint.address.split(':')[1]}", "-", "0000")
        if not der:
            problem = (
                red("unasked", "the CA did not answer in time")
                if is_silent
                else red("served", "the CA does not answer there")
            )
            yield _unreadable(location, CommonRole.AUTHORITY, problem)
            return
        certificate = x509.load_der_x509_certificate(der)
        flags = (*algorithm_flags(certificate), *expiry_flags(certificate, self.context.now))
        yield self._finding(location, certificate, CommonRole.AUTHORITY, flags)

    def _certificate(self, found: FoundCertificate, certificate: x509.Certificate) -> Finding:
        location = found.location
        role, in_role = certificate_role(self.context, found, certificate)
        expired = any(flag.kind == "expired" for flag in in_role)
        flags = (
            *file_flags(location, secret=False),
            *algorithm_flags(certificate),
            *in_role,
            *(() if expired else expiry_flags(certificate, self.context.now)),
            *role_flags(role),
            *trust_flags(self.context, found),
        )
        return self._finding(location, certificate, role, flags)

    def _readers(self, location: FileLocation, leaf: Leaf | None) -> tuple[str, ...]:
        expected = self.context.expected
        if leaf and leaf.reload:
            unit = leaf.reload[1]
            return (COPY_KEEPERS.get(unit, unit.removesuffix(".service")),)
        if location.path == expected.paths.mesh:
            return ("traefik",)
        if expected.is_copy(location.host, location.path):
            return ("pveproxy" if isinstance(expected.estate.host(location.host), Hypervisor) else "portainer",)
        system = ("system store",) if location.path.startswith(f"{ANCHORS_DIRECTORY}/") else ()
        return (*system, *self.context.scan.readers.get(location.path, ()))

    def _finding(
        self, location: FileLocation, certificate: x509.Certificate, role: str, flags: tuple[Flag, ...]
    ) -> Finding:
        dns, addresses = alternative_names(certificate)
        end = certificate.not_valid_after_utc
        return Finding(
            location.host,
            str(location),
            "certificate",
            role,
            subject=_name(certificate.subject),
            names=(*sorted(dns), *sorted(addresses)),
            issuer=_name(certificate.issuer),
            readers=self._readers(location, self.context.expected.certificates.get((location.host, location.path))),
            ends=end,
            days_left=round((end - self.context.now).total_seconds() / 86400, 2),
            key=key_type(certificate),
            owner=location.owner,
            mode=location.mode,
            public=public_sum(certificate),
            fingerprint=fingerprint(certificate.public_bytes(Encoding.PEM).decode()),
            flags=flags,
        )


def _part(found: FoundCertificate, number: int) -> FoundCertificate:
    """The certificate with this number in a file, and those that follow it."""
    if number == 1:
        return found
    return FoundCertificate(replace(found.location, part=str(number)), found.chain[number - 1 :])


def _unreadable(location: FileLocation, role: CommonRole, flag: Flag) -> Finding:
    """The finding for a certificate whose fields are unknown."""
    owner, mode = location.owner, location.mode
    return Finding(location.host, str(location), "certificate", role, owner=owner, mode=mode, flags=(flag,))


def _name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string() or "-"
