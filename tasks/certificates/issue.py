"""Leaves of a host: each key is made on the host that uses it, each certificate by a one-time token."""

from __future__ import annotations

from phoenix.conventions import BUNDLE, LOCK, PROGRAMS, SYSTEMD, renewal_program, renewal_unit
from phoenix.converge import Directory, File, Resource, Timers, Unit
from phoenix.derive.authority import ca_url
from phoenix.derive.certificates import Leaf, leaves_of
from phoenix.derive.renewal_schedule import check_interval, jitter, stem
from phoenix.estate import Guest, Hypervisor
from phoenix.estate.duration import go_duration
from phoenix.run import Converge, Run
from phoenix.tasks.certificates.clock import Clock
from phoenix.tasks.certificates.issue_script import issuing
from phoenix.tasks.certificates.leaf_resource import LeafFiles, ObsoleteLeaves, pending
from phoenix.tasks.support.batch import ConvergeAhead
from phoenix.tasks.support.mounts import behind_mount
from phoenix.templating import render, shell_program


def certificate_resources(run: Run, host: Hypervisor | Guest) -> tuple[Resource, ...]:
    """A host's leaves with their directories, and a renewal program and timer for each; no others."""
    leaves = leaves_of(run.estate, host.name)
    mounts = {mount.target for mount in host.mounts} if isinstance(host, Guest) else set()
    directories = dict.fromkeys(leaf.directory for leaf in leaves if leaf.directory not in mounts)

    def placed(path: str, resource: Resource) -> Resource:
        return behind_mount(run, host, path, resource) if isinstance(host, Guest) else resource

    return (
        *((Clock(), Directory(PROGRAMS)) if leaves else ()),
        *(placed(path, Directory(path, mode="0750")) for path in directories),
        *(File(renewal_program(stem(leaf)), _renewal(run, leaf), mode="0755") for leaf in leaves),
        *(placed(leaf.directory, LeafFiles(leaf, run.known_authority)) for leaf in leaves),
        Timers(tuple(unit for leaf in leaves for unit in _units(leaf))),
        ObsoleteLeaves(leaves),
    )


def _renewal(run: Run, leaf: Leaf) -> str:
    verb, unit = leaf.reload or ("", "")
    return shell_program(
        "certificates/renew.sh",
        crt=leaf.certificate,
        key=leaf.key,
        next=pending(leaf),
        verb=verb,
        unit=unit,
        unit_files=SYSTEMD,
        owner=leaf.owner,
        renew_before=go_duration(leaf.validity.before),
        ca_url=ca_url(run.estate),
        bundle=BUNDLE,
        lock=LOCK,
    )


def _units(leaf: Leaf) -> tuple[Unit, Unit]:
    name = renewal_unit(stem(leaf))
    every, late = (f"{time.total_seconds():.0f}" for time in (check_interval(leaf), jitter(leaf)))
    service = render("certificates/renew.service.j2", leaf=leaf, script=renewal_program(stem(leaf)))
    timer = render("certificates/renew.timer.j2", leaf=leaf, every=every, jitter=late)
    return Unit(f"{name}.service", service, enabled=None, active=None), Unit(f"{name}.timer", timer)


issue_certificates = Converge("issue_certificates", certificate_resources, complete=issuing)
"""Issue what is absent, wrong or due on the host, and schedule its renewal."""

issue_together = ConvergeAhead("issue_together", issue_certificates)
"""Do the same in all containers of a hypervisor at once; `issue_certificates` reports the result of each."""
