"""Leaves: each key is made on the host that uses it, each certificate by a one-time token of the authority's guest."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace

from nornir.core.task import Result, Task

from phoenix.converge import Change, Directory, File, Resource, Timers, Unit
from phoenix.derive.authority import ca_url
from phoenix.derive.certificates import Leaf, leaves_of
from phoenix.derive.renewal import jitter, looks_every, stem
from phoenix.estate.duration import go_duration
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from tasks.clock import Clock
from tasks.converging import BUNDLE_FILE, render, result, session
from tasks.leaf import SCRIPTS, LeafFiles, Withdrawn, pending, renewal_script
from tasks.tokens import mint_tokens


def issue_certificates(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Issue what is absent, wrong or due on the host, and see to its renewal."""
    host, resources = session(task), certificate_resources(task, run)
    seen = host.observe(resources)
    changes = [change for resource in resources for change in resource.changes(seen)]
    if changes and not task.is_dry_run(dry_run):
        host.apply(with_tokens(run, changes, leaves_of(run.estate, task.host.name)))
    return result(task, [change for change in changes if not change.guard])


def certificate_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """The host's leaves with their directories, and what renews them: a script and a timer for each; no others."""
    leaves = leaves_of(run.estate, task.host.name)
    mounts = {mount.target for mount in getattr(run.estate.host(task.host.name), "mounts", ())}
    directories = dict.fromkeys(leaf.directory for leaf in leaves if leaf.directory not in mounts)
    return (
        *((Clock(), Directory(SCRIPTS)) if leaves else ()),
        *(Directory(path, mode="0750") for path in directories),
        *(File(renewal_script(leaf), _renewal(task, run, leaf), mode="0755") for leaf in leaves),
        *(LeafFiles(leaf, run) for leaf in leaves),
        Timers(tuple(unit for leaf in leaves for unit in _units(task, leaf))),
        Withdrawn(leaves),
    )


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


def with_tokens(run: Run, changes: list[Change], leaves: Iterable[Leaf]) -> list[Change]:
    """Give every change that issues a leaf its script, with a token of its own."""
    titles = {LeafFiles(leaf, run).title: leaf for leaf in leaves}
    wanted = [titles[change.resource] for change in changes if change.verb == "issue"]
    if not wanted:
        return changes
    if run.authority is None:
        raise TaskFailedError("the estate's root is not known: deploy the authority first")
    scripts = {
        LeafFiles(leaf, run).title: f"({_issue_script(run, leaf, token)})"
        for leaf, token in zip(wanted, mint_tokens(run, wanted), strict=True)
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
