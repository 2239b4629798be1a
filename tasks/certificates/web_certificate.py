"""A hypervisor's web certificate: issued as every leaf, given to its web server on the node, and taken away again.

The key never leaves the node: what hands it over is the API's own program there, not the API from outside.
"""

from __future__ import annotations

import shlex

from nornir.core.task import Result, Task

from phoenix.converge import Change, Command, Exclusive, Resource, Unit
from phoenix.converge.files import SYSTEMD
from phoenix.derive.certificates import WEB_UNIT, Leaf, web_leaf
from phoenix.estate import Hypervisor
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from phoenix.tasks.certificates.api_trust import API_PORT, lane_problems, prove_lane, way_back_problem
from phoenix.tasks.certificates.issue import issue_certificates
from phoenix.tasks.support.converging import converge, render, result

CUSTOM = "/etc/pve/local/pveproxy-ssl.pem"
"""What Proxmox VE's web server presents instead of the node's own certificate."""
OURS = "that of the estate"


def serve_web_certificate(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Have the web server present the hypervisor's leaf, or the node's own certificate; the API lane survives both."""
    hypervisor = run.estate.host(task.host.name)
    assert isinstance(hypervisor, Hypervisor)  # noqa: S101  # the stage runs on hypervisors
    if problem := _problem(task, run, hypervisor):
        raise TaskFailedError(problem)
    presented = web_certificate_resources(task, run)
    if hypervisor.web_certificate:
        done = (issue_certificates(task, run, dry_run=dry_run), converge(task, *presented, dry_run=dry_run))
    else:  # whose certificate it is can be told as long as the key is there
        done = (converge(task, *presented, dry_run=dry_run), issue_certificates(task, run, dry_run=dry_run))
    changes: list[Change] = [change for part in done for change in getattr(part, "changes", ())]
    if changes and not task.is_dry_run(dry_run):
        prove_lane(run, hypervisor)
    return result(task, changes)


def web_certificate_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """What a hypervisor's web server should present, beside the leaf itself."""
    hypervisor = run.estate.host(task.host.name)
    assert isinstance(hypervisor, Hypervisor)  # noqa: S101  # others have no such web server
    leaf, title = web_leaf(run.estate, hypervisor), f"web certificate of {hypervisor.name}"
    if not hypervisor.web_certificate:
        removal = Command(title, _kept(leaf), "", "pvenode cert delete 1", "remove")
        return (Exclusive(f"{SYSTEMD}/{WEB_UNIT}", ()), removal)
    unit = Unit(WEB_UNIT, render(task, "proxmox/web-certificate.service.j2", leaf=leaf), enabled=None, active=None)
    shown = _shown(leaf, hypervisor)
    return (unit, Command(title, shown, OURS, _handed_over(shown)))


def _problem(task: Task, run: Run, hypervisor: Hypervisor) -> str | None:
    if hypervisor.web_certificate:
        return "; ".join(lane_problems(run, hypervisor))
    problem = way_back_problem(run, hypervisor)
    return problem if problem and converge(task, *web_certificate_resources(task, run), dry_run=True).changed else None


def _shown(leaf: Leaf, hypervisor: Hypervisor) -> str:
    """Shell that says whose certificate a new connection to the web server is shown."""
    ask = f"timeout 5 openssl s_client -connect {hypervisor.address}:{API_PORT} </dev/null 2>/dev/null"
    tell = "openssl x509 -noout -fingerprint -sha256"
    return (
        f"shown=$({ask} | {tell} 2>/dev/null); "
        f'if [ -z "$shown" ]; then echo none; elif [ "$shown" = "$({tell} -in {shlex.quote(leaf.certificate)})" ]; '
        f"then echo {shlex.quote(OURS)}; else echo another one; fi"
    )


def _handed_over(shown: str) -> str:
    """Shell that hands the leaf over, and waits until it is shown."""
    return f"""
start_unit {WEB_UNIT} && {{
  tries=0
  while [ $tries -lt 50 ] && [ "$({shown})" != {shlex.quote(OURS)} ]; do tries=$((tries + 1)); sleep 0.3; done
  [ $tries -lt 50 ] || fail 'the web server does not present its new certificate'
}}"""


def _kept(leaf: Leaf) -> str:
    """Shell that says whether the web server still has a certificate for the leaf's key."""
    key = shlex.quote(leaf.key)
    held = f'"$(openssl x509 -in {CUSTOM} -noout -pubkey)" = "$(openssl pkey -in {key} -pubout)"'
    return f"if [ -e {key} ] && [ -e {CUSTOM} ] && [ {held} ]; then echo {shlex.quote(OURS)}; fi"
