"""Leaves: each key is made on the host that uses it, each certificate by a one-time token of the authority's guest."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace

from nornir.core.task import Result, Task

from phoenix.converge import Change, Directory, File, Observation, Probe, Resource, Unit
from phoenix.derive.certificates import Leaf, leaves_of
from phoenix.derive.renewal import jitter, looks_every, stem
from phoenix.estate.duration import go_duration
from phoenix.pki.caconfig import STATE
from phoenix.pki.decision import Keep, Reissue, Renew, SeenFile, SeenLeaf, decide, utc_now
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from tasks.authority_state import SIGNING_ROOT
from tasks.ca import AS_STEP, ca_url, provisioner_password
from tasks.clock import Clock
from tasks.converging import BUNDLE_FILE, render, result, session

SCRIPTS = "/usr/local/lib/phoenix"


class LeafFiles:
    """One leaf as a resource: it is looked at here, and issued by the task below, which can reach the authority."""

    def __init__(self, leaf: Leaf, run: Run) -> None:
        self.leaf = leaf
        self.run = run

    @property
    def title(self) -> str:
        """What a person reads in a plan."""
        return f"certificate {self.leaf.certificate}"

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the certificate, the public half of the key, and owner and mode of both."""
        return (
            Probe("content", self.leaf.certificate),
            Probe("stat", self.leaf.certificate),
            Probe("stat", self.leaf.key),
            Probe("listing", pending(self.leaf)),
            Probe(
                "command", f"public key of {self.leaf.key}", f"openssl pkey -in {shlex.quote(self.leaf.key)} -pubout"
            ),
        )

    def seen(self, seen: Observation) -> SeenLeaf:
        """What an observation says of the leaf."""
        files = [
            SeenFile(stat.owner, stat.mode) if (stat := seen.stats.get(path)) else None
            for path in (self.leaf.certificate, self.leaf.key)
        ]
        public = seen.outputs.get(f"public key of {self.leaf.key}")
        return SeenLeaf(seen.text(self.leaf.certificate), public, *files)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Say whether the leaf must be issued anew or renewed, or only its owner and mode be put right."""
        leaf = self.leaf
        decision = decide(leaf, self.seen(seen), self.run.authority, utc_now())
        if isinstance(decision, Keep):
            if not seen.listings.get(pending(leaf)):
                return ()
            finish = f"{renewal_script(leaf)} finish"
            return (
                Change(self.title, "update", "an earlier run was interrupted before it told the reader", script=finish),
            )
        if isinstance(decision, Reissue):
            return (Change(self.title, "issue", decision.reason),)
        if isinstance(decision, Renew):
            return (Change(self.title, "renew", decision.reason, script=f"{renewal_script(leaf)} renew"),)
        certificate, key = shlex.quote(leaf.certificate), shlex.quote(leaf.key)
        script = f"chown {leaf.owner} {certificate} {key} && chmod 644 {certificate} && chmod {leaf.key_mode} {key}"
        return (Change(self.title, "update", decision.reason, script=script),)


def issue_certificates(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Issue what is absent, wrong or due on the host, and see to its renewal."""
    host, resources = session(task), certificate_resources(task, run)
    seen = host.observe(resources)
    changes = [change for resource in resources for change in resource.changes(seen)]
    if changes and not task.is_dry_run(dry_run):
        host.apply(_with_tokens(run, changes, leaves_of(run.estate, task.host.name)))
    return result(task, [change for change in changes if not change.guard])


def certificate_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """The host's leaves with their directories, and what renews them: a script and a timer for each."""
    leaves = leaves_of(run.estate, task.host.name)
    mounts = {mount.target for mount in getattr(run.estate.host(task.host.name), "mounts", ())}
    directories = dict.fromkeys(leaf.directory for leaf in leaves if leaf.directory not in mounts)
    return (
        *((Clock(), Directory(SCRIPTS)) if leaves else ()),
        *(Directory(path, mode="0750") for path in directories),
        *(File(renewal_script(leaf), _renewal(task, run, leaf), mode="0755") for leaf in leaves),
        *(LeafFiles(leaf, run) for leaf in leaves),
        *(unit for leaf in leaves for unit in _units(task, leaf)),
    )


def renewal_script(leaf: Leaf) -> str:
    """The program on the leaf's host that renews it, and puts a new pair in its place."""
    return f"{SCRIPTS}/renew-{stem(leaf)}"


def pending(leaf: Leaf) -> str:
    """Where a new pair lies until it is in its place and its reader was told."""
    return f"{leaf.directory}/.phoenix-next-{stem(leaf)}"


def _renewal(task: Task, run: Run, leaf: Leaf) -> str:
    return render(
        task,
        "certificates/renew.sh.j2",
        leaf=leaf,
        pending=pending(leaf),
        ca_url=ca_url(run.estate),
        bundle=BUNDLE_FILE,
        renew_before=go_duration(leaf.validity.before),
    )


def _units(task: Task, leaf: Leaf) -> tuple[Unit, Unit]:
    name = f"phoenix-renew-{stem(leaf)}"
    every, late = (f"{time.total_seconds():.0f}" for time in (looks_every(leaf), jitter(leaf)))
    service = render(task, "certificates/renew.service.j2", leaf=leaf, script=renewal_script(leaf))
    timer = render(task, "certificates/renew.timer.j2", leaf=leaf, every=every, jitter=late)
    return Unit(f"{name}.service", service, enabled=None, active=None), Unit(f"{name}.timer", timer)


def _with_tokens(run: Run, changes: list[Change], leaves: Iterable[Leaf]) -> list[Change]:
    """Give every change that issues a leaf its script, with a token of its own."""
    titles = {LeafFiles(leaf, run).title: leaf for leaf in leaves}
    wanted = [titles[change.resource] for change in changes if change.verb == "issue"]
    if not wanted:
        return changes
    if run.authority is None:
        raise TaskFailedError("the estate's root is not known: deploy the authority first")
    scripts = {
        LeafFiles(leaf, run).title: f"({_issue_script(run, leaf, token)})"
        for leaf, token in zip(wanted, _mint(run, wanted), strict=True)
    }
    return [replace(change, script=scripts.get(change.resource, change.script)) for change in changes]


def _issue_script(run: Run, leaf: Leaf, token: str) -> str:
    """Shell that makes key and certificate beside their place, and has them moved there together."""
    return f"""
umask 077
next={shlex.quote(pending(leaf))}
rm -rf "$next" && mkdir -p "$next" || exit 1
STEP_TOKEN={shlex.quote(token)}
export STEP_TOKEN
timeout 60 step ca certificate {shlex.quote(leaf.dns[0])} "$next/crt" "$next/key" --force --kty EC --curve P-256 \
  --not-after {go_duration(leaf.validity.lifetime)} --ca-url {ca_url(run.estate)} --root {BUNDLE_FILE} &&
  chown {leaf.owner} "$next/crt" "$next/key" && chmod 644 "$next/crt" && chmod {leaf.key_mode} "$next/key" &&
  sync "$next/key" "$next/crt" && touch "$next/complete" || {{ rm -rf "$next"; exit 1; }}
unset STEP_TOKEN
{renewal_script(leaf)} finish
"""


def _mint(run: Run, leaves: list[Leaf]) -> list[str]:
    """One-time tokens, each for exactly its leaf's names and usage; they are never logged or shown."""
    authority = run.estate.guest_with("step_ca").name
    done = run.session(authority).run(
        "\n".join((_provisioner_key(run), *(_mint_command(run, leaf) for leaf in leaves))), 120
    )
    tokens = done.out.split()
    if done.status or len(tokens) != len(leaves):
        names = ", ".join(leaf.name for leaf in leaves)
        raise TaskFailedError(f"{authority} gave no token for {names}: {done.err.strip()[-300:]}")
    return tokens


def _provisioner_key(run: Run) -> str:
    """Shell that decrypts the key that signs tokens, once for all of them, into a variable and nowhere else."""
    kid = shlex.quote((run.authority and run.authority.provisioner) or "")
    return f"""
PATH=/usr/local/bin:/usr/bin:/bin
jwk=$({AS_STEP} step ca provisioner jwe-key {kid} {_reached(run)} |
  {AS_STEP} step crypto jwe decrypt --password-file {provisioner_password(run)}) && [ -n "$jwk" ] || exit 1
"""


def _mint_command(run: Run, leaf: Leaf) -> str:
    names = " ".join(f"--san {shlex.quote(name)}" for name in (*leaf.dns, *leaf.ips))
    provisioner = shlex.quote(run.estate.settings.ca.provisioner)
    return (
        f'printf %s "$jwk" | step ca token {shlex.quote(leaf.dns[0])} {names} --set usage={leaf.usage} '
        f"--provisioner {provisioner} --key /dev/stdin {_reached(run)} || exit 1"
    )


def _reached(run: Run) -> str:
    """Options that tell `step` on the authority's guest where the authority is, and what to trust."""
    return f"--ca-url {ca_url(run.estate)} --root {STATE}/{SIGNING_ROOT}"
