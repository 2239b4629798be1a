"""Replace the key and password of the token provisioner; prove that the old key is refused.

The provisioner keeps its name, by which step-ca decides on renewals, so renewals continue. A token lives for minutes
and is used within seconds, so two keys need not overlap.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from nornir.core.task import Task

from phoenix.conventions import CA_STATE, CA_UNIT
from phoenix.converge import Change, HostSession, Observation, Outcome, Probe
from phoenix.converge.files import write_script
from phoenix.errors import TaskFailedError
from phoenix.pki.ca.config import dump_config, provisioner_key, with_provisioner
from phoenix.run import Run
from phoenix.tasks.authority.service import client_values, learn, service_resources
from phoenix.tasks.authority.state import CONFIG, USER, look
from phoenix.templating import shell_program

NEXT = f"{CA_STATE}/provisioner.next"
PUBLIC, PRIVATE = f"{NEXT}/key.pub", f"{NEXT}/key.priv"
PASSWORD = f"{CA_STATE}/secrets/provisioner_password"


@dataclass(frozen=True)
class NextProvisioner:
    """The two halves of the next key, the private one sealed with its password."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask for both."""
        return (Probe("content", PUBLIC), Probe("content", PRIVATE))

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        """Change nothing."""
        return ()

    def key_id(self, seen: Observation) -> str | None:
        """The id of the next key; None if it does not exist."""
        text = seen.text(PUBLIC)
        return str(json.loads(text)["kid"]) if text else None


def prepare_provisioner(task: Task, run: Run) -> Outcome:
    """Create the next key and its password beside the state, unless they exist."""
    host = run.session(task.host.name)
    if NextProvisioner().key_id(host.observe([NextProvisioner()])):
        return Outcome(task.host)
    script = shell_program("step_ca/provisioner.sh", state=CA_STATE, user=USER)
    made = [Change(f"next key of {run.estate.settings.ca.provisioner}", "create", script=f"({script})")]
    host.apply(made)
    return Outcome(task.host, made)


def switch_provisioner(task: Task, run: Run) -> Outcome:
    """Let the next key sign tokens, and prove that the old one no longer does."""
    host = run.session(task.host.name)
    corrected = host.converge(service_resources(run, run.estate.guest_with("step_ca")))
    learn(run)
    found = look(run)
    name = run.estate.settings.ca.provisioner
    seen = host.observe([NextProvisioner()])
    following = NextProvisioner().key_id(seen)
    if following in (None, provisioner_key(found.config, name)):
        return Outcome(task.host, corrected)
    config = with_provisioner(found.config, name, seen.text(PUBLIC) or "", seen.text(PRIVATE) or "")
    password = f"install -m 600 -o {USER} -g {USER} {NEXT}/password {PASSWORD}_{following}"
    put = write_script(CONFIG, dump_config(config), f"{USER}:{USER}", "0600")
    script = f"begin {CA_UNIT} && {password} && {put} && systemctl reload {CA_UNIT} && commit"
    changes = [Change(f"key of {name}", "update", f"{following} signs tokens", script=script)]
    old = _old_token(run, host)
    host.apply(changes)
    learn(run)
    _must_be_refused(run, host, old)
    return Outcome(task.host, changes)


def settle_provisioner(task: Task, run: Run) -> Outcome:
    """Move the new password to its usual path, and remove the temporary files."""
    host = run.session(task.host.name)
    following = NextProvisioner().key_id(host.observe([NextProvisioner()]))
    current = provisioner_key(look(run).config, run.estate.settings.ca.provisioner)
    if following is None or following != current:
        return Outcome(task.host)
    new = f"{PASSWORD}_{following}"
    script = f"{{ [ ! -e {new} ] || mv -fT {new} {PASSWORD}; }} && rm -rf {NEXT}"
    changes = [Change("old key of the provisioner", "remove", script=script)]
    host.apply(changes)
    return Outcome(task.host, changes)


def _old_token(run: Run, host: HostSession) -> str:
    """Mint a token with the old key, to prove later that the CA refuses it."""
    values = {"subject": run.estate.fqdn("old-key"), **client_values(run)}
    done = host.run(shell_program("step_ca/token.sh", "step_ca/client.sh", **values))
    if done.status:
        raise TaskFailedError(f"the present key of the provisioner gives no token: {done.err.strip()[-300:]}")
    return done.out.strip()


def _must_be_refused(run: Run, host: HostSession, token: str) -> None:
    values = {"subject": run.estate.fqdn("old-key"), "token": token, **client_values(run)}
    done = host.run(shell_program("step_ca/redeem.sh", "step_ca/client.sh", **values))
    if done.status == 0:
        raise TaskFailedError("the authority still accepts tokens of the old key: run the same command again")
