"""Leaves: each key is made on the host that uses it, each certificate by a one-time token of the authority's guest."""

from __future__ import annotations

import shlex

from nornir.core.task import Result, Task

from phoenix.converge import Change, Directory, HostSession, Observation, Probe, Resource, Unit
from phoenix.converge.apply import apply_script, check_applied
from phoenix.derive.certificates import Leaf, leaves_of
from phoenix.estate.duration import go_duration
from phoenix.pki.decision import Keep, SeenLeaf, decide, utc_now
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from tasks.ca import AS_STEP, STATE, ca_url
from tasks.converging import BUNDLE_FILE, render, result, session


class LeafFiles:
    """One leaf as a resource: it is looked at here, and issued by the task below, which can reach the authority."""

    def __init__(self, leaf: Leaf, run: Run) -> None:
        self.leaf = leaf
        self.run = run

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the certificate, the public half of the key, and owner and mode of both."""
        public = f"openssl pkey -in {shlex.quote(self.leaf.key)} -pubout"
        return (
            Probe("content", self.leaf.certificate),
            Probe("stat", self.leaf.certificate),
            Probe("stat", self.leaf.key),
            Probe("command", f"public key of {self.leaf.key}", public),
        )

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Say whether the leaf must be issued anew, or only its owner and mode be put right."""
        leaf, title = self.leaf, f"certificate {self.leaf.certificate}"
        public = seen.outputs.get(f"public key of {leaf.key}")
        before = leaf.validity.before
        anchor = self.run.authority.bundle.anchors[0] if self.run.authority else ""
        chain = seen.text(leaf.certificate)
        decision = decide(leaf, SeenLeaf(chain, public), anchor, utc_now(), before)
        if not isinstance(decision, Keep):
            return (Change(title, "issue", decision.reason),)
        found = []
        for path, mode in ((leaf.certificate, "0644"), (leaf.key, leaf.key_mode)):
            stat = seen.stats.get(path)
            if stat and (stat.owner, stat.mode) != (leaf.owner, mode):
                script = f"chown {leaf.owner} {shlex.quote(path)} && chmod {mode} {shlex.quote(path)}"
                found.append(Change(f"file {path}", "update", f"is {stat.owner} {stat.mode}", script=script))
        return tuple(found)


def issue_certificates(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Issue what is absent, wrong or due on the host, and see to its renewal."""
    host, resources = session(task), certificate_resources(task, run)
    seen = host.observe(resources)
    changes = [change for resource in resources for change in resource.changes(seen)]
    if changes and not task.is_dry_run(dry_run):
        if run.authority is None:
            raise TaskFailedError("the estate's root is not known: deploy the authority first")
        issued = {f"certificate {leaf.certificate}": leaf for leaf in leaves_of(run.estate, task.host.name)}
        for change in changes:
            if change.verb == "issue":
                _issue(run, host, issued[change.resource])
        host.apply([change for change in changes if change.script])
    return result(task, [change for change in changes if not change.guard])


def certificate_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """The host's leaves, their directories, and the timers that renew them."""
    found: list[Resource] = []
    for leaf in leaves_of(run.estate, task.host.name):
        mounts = {mount.target for mount in getattr(run.estate.host(task.host.name), "mounts", ())}
        if leaf.directory not in mounts:
            found.append(Directory(leaf.directory, mode="0750"))
        values = {
            "leaf": leaf,
            "ca_url": ca_url(run.estate),
            "bundle": BUNDLE_FILE,
            "renew_before": go_duration(leaf.validity.before),
        }
        service = render(task, "certificates/renew.service.j2", **values)
        timer = render(task, "certificates/renew.timer.j2", **values)
        stem = f"phoenix-renew-{leaf.name.replace('_', '-')}"
        found += [
            LeafFiles(leaf, run),
            Unit(f"{stem}.service", service, enabled=None, active=None),
            Unit(f"{stem}.timer", timer),
        ]
    return tuple(dict.fromkeys(found))


def _issue(run: Run, host: HostSession, leaf: Leaf) -> None:
    token = _mint(run, leaf)
    directory, certificate, key = map(shlex.quote, (leaf.directory, leaf.certificate, leaf.key))
    script = f"""
mkdir -p {directory} || exit 1
umask 077
new=$(mktemp -d {directory}/.phoenix-XXXXXXXX) || exit 1
STEP_TOKEN={shlex.quote(token)}
export STEP_TOKEN
if timeout 60 step ca certificate {shlex.quote(leaf.dns[0])} "$new/crt" "$new/key" --force \
    --ca-url {ca_url(run.estate)} --root {BUNDLE_FILE} &&
  chown {leaf.owner} "$new/crt" "$new/key" &&
  chmod 644 "$new/crt" && chmod {leaf.key_mode} "$new/key" && sync "$new/key" "$new/crt"
then unset STEP_TOKEN; mv -fT "$new/key" {key} && mv -fT "$new/crt" {certificate} && rmdir "$new"
else rm -rf "$new"; exit 1; fi
{_tell(leaf)}
"""
    change = Change(f"certificate {leaf.certificate}", "issue", script=f"({script})")
    done = host.run(apply_script([change]), 120)
    check_applied([change], done.out, done.status, done.err)
    host.forget()


def _tell(leaf: Leaf) -> str:
    """Tell a reader that already runs; one that does not will read the new files when it starts."""
    if leaf.reload is None:
        return "true"
    verb, unit = leaf.reload
    return f"if systemctl is-active --quiet {unit}; then timeout 60 systemctl {verb} {unit}; fi"


def _mint(run: Run, leaf: Leaf) -> str:
    """A one-time token for exactly the leaf's names, made in the authority's guest; it is never logged or shown."""
    authority = run.estate.guest_with("step_ca").name
    names = " ".join(f"--san {shlex.quote(name)}" for name in (*leaf.dns, *leaf.ips))
    script = (
        f"export PATH=/usr/local/bin:/usr/bin:/bin\n"
        f"{AS_STEP} step ca token {shlex.quote(leaf.dns[0])} {names} "
        f"--provisioner {shlex.quote(run.estate.settings.ca.provisioner)} "
        f"--provisioner-password-file {STATE}/secrets/provisioner_password "
        f"--ca-url {ca_url(run.estate)} --root {STATE}/certs/root_ca.crt"
    )
    done = run.session(authority).run(script)
    if done.status or not done.out.strip():
        raise TaskFailedError(f"{authority} gave no token for {leaf.name}: {done.err.strip()[-300:]}")
    return done.out.strip()
