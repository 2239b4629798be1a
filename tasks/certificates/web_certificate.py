"""A hypervisor's web certificate: issued like every leaf, installed in pveproxy on the node, and removed again.

The key never leaves the node: `pvenode` installs it there, not the API over the network.
"""

from __future__ import annotations

from nornir.core.task import Task

from phoenix.conventions import PROXMOX_PORT, SYSTEMD, WEB_CERTIFICATE_UNIT
from phoenix.converge import Command, ManagedGlob, Outcome, Resource, Unit
from phoenix.derive.certificates import Leaf, web_leaf
from phoenix.errors import TaskFailedError
from phoenix.estate import Hypervisor
from phoenix.run import Converge, Run
from phoenix.tasks.certificates.api_trust import connection_problems, own_certificate_problem, prove_connection
from phoenix.tasks.certificates.issue import issue_certificates
from phoenix.templating import render, shell_program

CUSTOM = "/etc/pve/local/pveproxy-ssl.pem"
"""The certificate that pveproxy prefers to the node's own (Administration Guide, "Certificate Management")."""
OURS = "that of the estate"


def web_certificate_resources(run: Run, hypervisor: Hypervisor) -> tuple[Resource, ...]:
    """What a hypervisor's web server should present, beside the leaf itself."""
    leaf, title = web_leaf(run.estate, hypervisor), f"web certificate of {hypervisor.name}"
    functions = _functions(leaf, hypervisor)
    if not hypervisor.web_certificate:
        removal = Command(title, f"{functions}kept", "", "pvenode cert delete 1", "remove")
        return (ManagedGlob(f"{SYSTEMD}/{WEB_CERTIFICATE_UNIT}", ()), removal)
    content = render("proxmox/web-certificate.service.j2", leaf=leaf)
    return (
        Unit(WEB_CERTIFICATE_UNIT, content, enabled=None, active=None),
        Command(title, f"{functions}presented", OURS, f"({functions}hand_over)"),
    )


present_web_certificate = Converge("present_web_certificate", web_certificate_resources)
"""Install the leaf in the web server, or remove it."""


def served_resources(run: Run, hypervisor: Hypervisor) -> tuple[Resource, ...]:
    """What `serve_web_certificate` compares: the hypervisor's leaf and its presentation."""
    return (*issue_certificates.resources(run, hypervisor), *web_certificate_resources(run, hypervisor))


def serve_web_certificate(task: Task, run: Run, *, dry_run: bool | None = None) -> Outcome:
    """Have the web server present the hypervisor's leaf, or the node's own certificate; the API stays reachable."""
    hypervisor = run.estate.hypervisor(task.host.name)
    if problem := _problem(run, hypervisor):
        raise TaskFailedError(problem)
    # The owner of the certificate can be determined only while the leaf's key exists, so it is removed last.
    turns = (issue_certificates, present_web_certificate)
    order = turns if hypervisor.web_certificate else tuple(reversed(turns))
    changes = [change for turn in order for change in turn(task, run, dry_run=dry_run).changes]
    if changes and not task.is_dry_run(dry_run):
        prove_connection(run, hypervisor)
    return Outcome(task.host, changes)


def _problem(run: Run, hypervisor: Hypervisor) -> str | None:
    """Why the API would be unreachable afterwards."""
    if hypervisor.web_certificate:
        return "; ".join(connection_problems(run, hypervisor))
    problem = own_certificate_problem(run, hypervisor)
    return problem if problem and present_web_certificate.plan(run, hypervisor).changes else None


def _functions(leaf: Leaf, hypervisor: Hypervisor) -> str:
    """Shell functions that ask about the web server's certificate and hand the leaf over."""
    return shell_program(
        "proxmox/web-certificate.sh",
        address=f"{hypervisor.address}:{PROXMOX_PORT}",
        certificate=leaf.certificate,
        key=leaf.key,
        custom=CUSTOM,
        leaf=OURS,
        unit=WEB_CERTIFICATE_UNIT,
    )
