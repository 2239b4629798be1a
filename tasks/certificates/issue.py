"""Leaves: each key is made on the host that uses it, each certificate by a one-time token of the authority's guest."""

from __future__ import annotations

from nornir.core.task import Result, Task

from phoenix.converge import Directory, File, Resource, Timers, Unit
from phoenix.derive.authority import ca_url
from phoenix.derive.certificates import Leaf, leaves_of
from phoenix.derive.renewal import jitter, looks_every, stem
from phoenix.estate.duration import go_duration
from phoenix.run import Run
from phoenix.tasks.certificates.clock import Clock
from phoenix.tasks.certificates.issuing import issuing
from phoenix.tasks.certificates.leaf import SCRIPTS, LeafFiles, ObsoleteLeaves, pending, renewal_script
from phoenix.tasks.support.batch import apply_together
from phoenix.tasks.support.converging import BUNDLE_FILE, result, session, written


def issue_certificates(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Issue what is absent, wrong or due on the host, and see to its renewal."""
    host, resources = session(task), certificate_resources(task, run)
    seen = host.observe(resources)
    changes = [change for resource in resources for change in resource.changes(seen)]
    if changes and not task.is_dry_run(dry_run) and not host.made(changes):
        host.apply(issuing(run, {host.name: changes})[host.name])
    return result(task, [change for change in changes if not change.guard])


def issue_together(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Do the same in all containers of a hypervisor at once; `issue_certificates` says of each how it went."""
    return apply_together(task, run, certificates_of, issuing, dry_run=dry_run)


def certificate_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """What certificates mean on the task's host."""
    return certificates_of(run, task.host.name)


def certificates_of(run: Run, name: str) -> tuple[Resource, ...]:
    """A host's leaves with their directories, and what renews them: a script and a timer for each; no others."""
    leaves = leaves_of(run.estate, name)
    mounts = {mount.target for mount in getattr(run.estate.host(name), "mounts", ())}
    directories = dict.fromkeys(leaf.directory for leaf in leaves if leaf.directory not in mounts)
    return (
        *((Clock(), Directory(SCRIPTS)) if leaves else ()),
        *(Directory(path, mode="0750") for path in directories),
        *(File(renewal_script(leaf), _renewal(run, leaf), mode="0755") for leaf in leaves),
        *(LeafFiles(leaf, run) for leaf in leaves),
        Timers(tuple(unit for leaf in leaves for unit in _units(leaf))),
        ObsoleteLeaves(leaves),
    )


def _renewal(run: Run, leaf: Leaf) -> str:
    return written(
        "certificates/renew.sh.j2",
        leaf=leaf,
        pending=pending(leaf),
        ca_url=ca_url(run.estate),
        bundle=BUNDLE_FILE,
        renew_before=go_duration(leaf.validity.before),
    )


def _units(leaf: Leaf) -> tuple[Unit, Unit]:
    name = f"phoenix-renew-{stem(leaf)}"
    every, late = (f"{time.total_seconds():.0f}" for time in (looks_every(leaf), jitter(leaf)))
    service = written("certificates/renew.service.j2", leaf=leaf, script=renewal_script(leaf))
    timer = written("certificates/renew.timer.j2", leaf=leaf, every=every, jitter=late)
    return Unit(f"{name}.service", service, enabled=None, active=None), Unit(f"{name}.timer", timer)
