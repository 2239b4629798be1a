"""The role of a certificate or key on its host: by its path if it is expected there, otherwise by its content."""

from __future__ import annotations

from cryptography import x509

from phoenix.conventions import ANCHORS_DIRECTORY
from phoenix.estate import Machine
from phoenix.pki.audit.certificate_flags import AuditContext, ca_flags, leaf_flags, mesh_flags
from phoenix.pki.audit.finding import CommonRole, Flag, red, yellow
from phoenix.pki.audit.scan import FileLocation, FoundCertificate
from phoenix.pki.bundle import fingerprint

ACME_ACCOUNT = "account"
"""The part of the mesh's storage that holds the key of its ACME account."""


def certificate_role(
    context: AuditContext, found: FoundCertificate, certificate: x509.Certificate
) -> tuple[str, tuple[Flag, ...]]:
    """The role of a certificate, and what is wrong with it in this role."""
    location, expected = found.location, context.expected
    if leaf := expected.certificates.get((location.host, location.path)):
        return leaf.name, tuple(leaf_flags(context, leaf, found))
    if route := expected.mesh.get((location.host, str(location))):
        return route.service, tuple(mesh_flags(context, route, found))
    if expected.is_ca_state(location.host, location.path):
        return CommonRole.AUTHORITY, tuple(ca_flags(context, location, certificate))
    return _role_by_content(context, found)


def key_role(context: AuditContext, location: FileLocation) -> str:
    """The role of a private key."""
    expected = context.expected
    if leaf := expected.keys.get((location.host, location.path)):
        return leaf.name
    if route := expected.mesh.get((location.host, str(location))):
        return route.service
    if (location.path, location.part) == (expected.paths.mesh, ACME_ACCOUNT):
        return "account of the mesh"
    if expected.is_ca_state(location.host, location.path):
        return CommonRole.AUTHORITY
    if expected.is_copy(location.host, location.path):
        return CommonRole.COPY
    return _unexpected_role(context, location)


def role_flags(role: str) -> tuple[Flag, ...]:
    """What is wrong with a role by itself."""
    if role is CommonRole.UNMANAGED:
        return (red("stranger", "the inventory does not derive it"),)
    return (yellow("stranger", "it belongs to an external workload"),) if role is CommonRole.EXTERNAL else ()


def trust_flags(context: AuditContext, found: FoundCertificate) -> tuple[Flag, ...]:
    """Whether a certificate in the system's trust store is no anchor of the estate."""
    if context.authority is None or not found.location.path.startswith(f"{ANCHORS_DIRECTORY}/"):
        return ()
    if fingerprint(found.chain[0]) in context.authority.bundle.fingerprints:
        return ()
    return (red("anchor", "trusted on this host, but no anchor of the estate"),)


def _role_by_content(context: AuditContext, found: FoundCertificate) -> tuple[str, tuple[Flag, ...]]:
    location, authority = found.location, context.authority
    if authority and fingerprint(found.chain[0]) in authority.bundle.fingerprints:
        return CommonRole.ANCHOR, _bundle_flags(context, location)
    if authority and authority.issuer and found.chain[0].strip() == authority.issuer.strip():
        return CommonRole.INTERMEDIATE, ()
    if context.expected.is_copy(location.host, location.path):
        return CommonRole.COPY, _copy_flags(context, found)
    return _unexpected_role(context, location), ()


def _unexpected_role(context: AuditContext, location: FileLocation) -> CommonRole:
    if context.expected.is_system(location.host, location.path):
        return CommonRole.SYSTEM
    host = context.expected.estate.host(location.host)
    external = isinstance(host, Machine) and host.workload == "external"
    return CommonRole.EXTERNAL if external and not location.path.startswith(ANCHORS_DIRECTORY) else CommonRole.UNMANAGED


def _bundle_flags(context: AuditContext, location: FileLocation) -> tuple[Flag, ...]:
    """Whether the bundle holds exactly the published anchors; other files with an anchor are not compared."""
    if location.path != context.expected.paths.bundle or context.authority is None or location.part:
        return ()
    bundle = next(found for found in context.scan.certificates if found.location.path == location.path)
    if tuple(map(fingerprint, bundle.chain)) == context.authority.bundle.fingerprints:
        return ()
    return (red("wrong", "it does not hold exactly the anchors that the CA publishes"),)


def _copy_flags(context: AuditContext, copy: FoundCertificate) -> tuple[Flag, ...]:
    originals = {path for (host, path) in context.expected.certificates if host == copy.location.host}
    candidates = (found for found in context.scan.certificates if found.location.path in originals)
    if any(found.chain[0] == copy.chain[0] for found in candidates):
        return ()
    return (red("served", "this copy differs from the certificate in the file; the service was not reloaded"),)
