"""A hypervisor's web certificate: issued like every leaf, installed in pveproxy on the node, and removed again.

The key never leaves the node: `pvenode` installs it there, not the API over the network.
"""

from __future__ import annotations

import shlex

from nornir.core.task import Task

from phoenix.conventions import PROXMOX_PORT, SYSTEMD, WEB_CERTIFICATE_UNIT
from phoenix.converge import Command, ManagedGlob, Outcome, Resource, Unit
from phoenix.derive.certificates import Leaf, web_leaf
from phoenix.errors import TaskFailedError
from phoenix.estate import Hypervisor
from phoenix.run import Converge, Run
from phoenix.tasks.certificates.api_trust import connection_problems, own_certificate_problem, prove_connection
from phoenix.tasks.certificates.issue import issue_certificates
from phoenix.templating import render

CUSTOM = "/etc/pve/local/pveproxy-ssl.pem"
"""The certificate that pveproxy prefers to the node's own (Administration Guide, "Certificate Management")."""
OURS = "that of the estate"


def web_certificate_resources(run: Run, hypervisor: Hypervisor) -> tuple[Resource, ...]:
    """What a hypervisor's web server should present, beside the leaf itself."""
    leaf, title = web_leaf(run.estate, hypervisor), f"web certificate of {hypervisor.name}"
    if not hypervisor.web_certificate:
        removal = Command(title, _kept(leaf), "", "pvenode cert delete 1", "remove")
        return (ManagedGlob(f"{SYSTEMD}/{WEB_CERTIFICATE_UNIT}", ()), removal)
    content = render("proxmox/web-certificate.service.j2", leaf=leaf)
    shown = _shown(leaf, hypervisor)
    return (
        Unit(WEB_CERTIFICATE_UNIT, content, enabled=None, active=None),
        Command(title, shown, OURS, _handed_over(shown)),
    )


present_web_certificate = Converge("present_web_certificate", web_certificate_resources)
"""Install the leaf in the web server, or remove it."""


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


def _shown(leaf: Leaf, hypervisor: Hypervisor) -> str:
    """Shell that says whose certificate a new connection to the web server is shown."""
    ask = f"timeout 5 openssl s_client -connect {hypervisor.address}:{PROXMOX_PORT} </dev/null 2>/dev/null"
    tell = "openssl x509 -noout -fingerprint -sha256"
    return (
        f"shown=$({ask} | {tell} 2>/dev/null); "
        f'if [ -z "$shown" ]; then echo none; elif [ "$shown" = "$({tell} -in {shlex.quote(leaf.certificate)})" ]; '
        f"then echo {shlex.quote(OURS)}; else echo another one; fi"
    )


def _handed_over(shown: str) -> str:
    """Shell that hands the leaf over, and waits until it is shown."""
    return f"""
start_unit {WEB_CERTIFICATE_UNIT} && {{
  tries=0
  while [ $tries -lt 50 ] && [ "$({shown})" != {shlex.quote(OURS)} ]; do tries=$((tries + 1)); sleep 0.3; done
  [ $tries -lt 50 ] || fail 'the web server does not present its new certificate'
}}"""


def _kept(leaf: Leaf) -> str:
    """Shell that says whether the web server still has a certificate for the leaf's key."""
    key = shlex.quote(leaf.key)
    held = f'"$(openssl x509 -in {CUSTOM} -noout -pubkey)" = "$(openssl pkey -in {key} -pubout)"'
    return f"if [ -e {key} ] && [ -e {CUSTOM} ] && [ {held} ]; then echo {shlex.quote(OURS)}; fi"
