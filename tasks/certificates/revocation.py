"""Revoke a certificate: the CA refuses to renew it, and its host gets a new certificate with a new key."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from nornir.core.task import Task

from phoenix.converge import Change, Outcome
from phoenix.derive.certificates import Leaf, certificates
from phoenix.derive.routes import routes
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate
from phoenix.pki.acme_storage import read_storage
from phoenix.pki.x509.fields import PARSE_ERRORS
from phoenix.run import Run, TaskFunction
from phoenix.tasks.authority.service import client_values
from phoenix.tasks.certificates.issue_script import issuing
from phoenix.tasks.certificates.leaf_resource import LeafFiles, issue_leaf
from phoenix.tasks.routing.mesh_certificates import SUBJECT, MeshCertificates, replace_mesh_certificate
from phoenix.templating import shell_program

REVOKED = "is already revoked"


@dataclass(frozen=True)
class Chosen:
    """The certificate that an operator named: a leaf of a host, or a name of the mesh, which has no leaf by token."""

    host: str
    name: str
    leaf: Leaf | None = None


def choose(estate: Estate, name: str, host: str | None) -> Chosen:
    """Find the certificate to revoke; TaskFailedError lists the existing names."""
    leaves = [leaf for leaf in certificates(estate) if leaf.name == name and host in (None, leaf.host)]
    if len(leaves) == 1:
        return Chosen(leaves[0].host, name, leaves[0])
    if leaves:
        hosts = ", ".join(leaf.host for leaf in leaves)
        raise TaskFailedError(f"{name} is on several hosts: add --host with one of {hosts}")
    mesh = estate.guest_with("traefik").name
    known = {route.name for route in routes(estate)}
    if name in known and host in (None, mesh):
        return Chosen(mesh, name)
    there = sorted({leaf.name for leaf in certificates(estate)} | known)
    raise TaskFailedError(
        f"there is no certificate {name!r}{f' on {host}' if host else ''}; there is {', '.join(there)}"
    )


def revoke(chosen: Chosen) -> TaskFunction:
    """Make the task that revokes and replaces one certificate on its host."""

    def revoke_certificate(task: Task, run: Run) -> Outcome:
        """Revoke the serial number first, so that a stolen key cannot renew; then replace the certificate."""
        serial = _serial(task, run, chosen)
        script = shell_program("step_ca/revoke.sh", "step_ca/client.sh", serial=serial, **client_values(run))
        done = run.session(run.estate.guest_with("step_ca").name).run(script, 60)
        if done.status and REVOKED not in done.err + done.out:
            raise TaskFailedError(f"the authority did not revoke {serial}: {done.err.strip()[-300:]}")
        revoked = Change(f"certificate {serial}", "remove", f"{chosen.name} is revoked")
        if chosen.leaf is None:
            replaced = replace_mesh_certificate(task, run, chosen.name)
            return Outcome(task.host, [revoked, *replaced.changes])
        changes = [issue_leaf(chosen.leaf, "the previous certificate is revoked")]
        run.session(task.host.name).apply(issuing(run, {chosen.host: changes})[chosen.host])
        return Outcome(task.host, [revoked, *changes])

    return revoke_certificate


def _serial(task: Task, run: Run, chosen: Chosen) -> str:
    """Read the serial number of the certificate on the host, in decimal."""
    host = run.session(task.host.name)
    if chosen.leaf:
        text = host.observe([LeafFiles(chosen.leaf, run.known_authority)]).text(chosen.leaf.certificate) or ""
        chain = text.encode()
    else:
        storage = read_storage(
            host.observe([MeshCertificates(run.estate, run.known_authority)]).outputs.get(SUBJECT, "")
        )
        chain = next((stored.chain for stored in storage if stored.name == chosen.name), b"")
    try:
        return str(x509.load_pem_x509_certificates(chain)[0].serial_number)
    except PARSE_ERRORS:
        raise TaskFailedError(f"there is no certificate {chosen.name} that could be revoked: deploy first") from None
