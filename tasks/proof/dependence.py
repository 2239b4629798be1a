"""Checks between the steps of a rotation: hosts trust the next signer, and are independent of the old one."""

from __future__ import annotations

from nornir.core.task import Task

from phoenix.conventions import BUNDLE
from phoenix.converge import Outcome
from phoenix.derive.authority import SIGNING_ROOT
from phoenix.derive.certificates import leaves_of
from phoenix.errors import TaskFailedError
from phoenix.estate import Hypervisor
from phoenix.pki.ca.config import NEXT_PAIR
from phoenix.run import Run
from phoenix.tasks.authority.files import published
from phoenix.tasks.authority.state import look
from phoenix.tasks.proof.routes import route_verdicts, unanswered
from phoenix.tasks.routing.mesh_certificates import MeshCertificates
from phoenix.tasks.trust.system_store import STORE, SYSTEM_BUNDLE
from phoenix.templating import shell_program


def check_trust(task: Task, run: Run) -> Outcome:
    """Prove that the host trusts the next signer, in its system store and in the bundle."""
    pem = look(run).state.certificates.get(NEXT_PAIR[0])
    if pem:
        values = {"issuer": pem.strip(), "store": STORE, "store_bundle": SYSTEM_BUNDLE, "bundle": BUNDLE}
        lacking = _told(task, run, shell_program("proof/trusted.sh", **values))
        if lacking:
            raise TaskFailedError(f"it does not trust the next signer: {lacking} lack its root")
    return Outcome(task.host)


def check_independence(task: Task, run: Run) -> Outcome:
    """Prove that the host depends on the current signer alone."""
    found = look(run)
    texts = published(found.state, found.signs)
    host = run.estate.host(task.host.name)
    if isinstance(host, Hypervisor):
        verdicts = route_verdicts(run, host.name, texts[SIGNING_ROOT].strip())
        if failed := [str(one) for one in verdicts if one.is_failure]:
            raise TaskFailedError(f"with the current root alone, {unanswered(failed)}")
        return Outcome(task.host)
    leaves = [leaf.certificate for leaf in leaves_of(run.estate, host.name)]
    issuer = found.state.certificates[found.signs.certificate].strip()
    late = _told(task, run, shell_program("proof/signed.sh", issuer=issuer, leaves=leaves)) if leaves else ""
    if late:
        raise TaskFailedError(f"not signed by the current signer: {', '.join(late.split())}")
    if host.has("traefik"):
        waiting = MeshCertificates(run.estate, run.known_authority)
        if changes := waiting.changes(run.session(task.host.name).observe([waiting])):
            raise TaskFailedError(f"the mesh's certificates are not replaced yet: {'; '.join(map(str, changes))}")
    return Outcome(task.host)


def _told(task: Task, run: Run, script: str) -> str:
    done = run.session(task.host.name).run(script)
    if done.status:
        raise TaskFailedError(f"it could not be checked: {done.err.strip()[-200:] or f'exit status {done.status}'}")
    return done.out.strip()
