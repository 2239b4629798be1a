"""Scan every host for the audit: one read-only script per host lists certificates and keys."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from nornir.core.task import Task

from phoenix.connections.proxmox import ApiError
from phoenix.conventions import ANCHOR, BUNDLE, CA_STATE, MESH_STORAGE, STAGED_PROGRAMS, renewal_unit
from phoenix.converge import Outcome, ReadOnlyFile
from phoenix.derive.authority import published_files
from phoenix.derive.certificates import leaves_of
from phoenix.derive.renewal_schedule import stem
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pki.audit.compare import AuditInput, audit, may_pass
from phoenix.pki.audit.endpoints import endpoints_of
from phoenix.pki.audit.expected import AuditPaths
from phoenix.pki.audit.parse import read_scan
from phoenix.pki.audit.scan import Scan
from phoenix.pki.bundle import SeenAuthority
from phoenix.pki.x509.validity import utc_now
from phoenix.run import Run
from phoenix.tasks.authority.service import seen_authority
from phoenix.tasks.support.guests import learn_guests
from phoenix.templating import shell_program

PLACES = AuditPaths(CA_STATE, ANCHOR, BUNDLE, MESH_STORAGE)
SCAN_SECONDS = 90
PAUSES = (5, 10)
"""Seconds before each further scan of a host whose ports do not present their files' certificates yet."""
STORE_SIZE = 20
"""A file with at least this many certificates is listed as a store."""
ROOTS = ("/etc", "/opt", "/srv", "/root", "/home", "/usr/local", "/var/lib")
SKIPPED = (
    "/etc/ssl/certs",
    "/usr/share",
    "/var/lib/dpkg",
    "/var/lib/apt",
    "/var/lib/docker/image",
    "/var/lib/docker/buildkit",
    "/var/lib/containerd",
    "/var/lib/lxc",
    "/var/lib/vz",
    STAGED_PROGRAMS,
)


@dataclass
class Audit:
    """One audit: collects what its tasks observe."""

    scans: dict[str, Scan] = field(default_factory=dict)
    authority: SeenAuthority | None = None

    def observe_guests(self, task: Task, run: Run) -> Outcome:
        """Learn which guests run, and what the authority publishes."""
        try:
            learn_guests(run, run.estate.hypervisor(task.host.name))
        except ApiError as error:
            raise TaskFailedError(str(error)) from None
        published = published_files(run.estate)
        seen = run.session(task.host.name).observe([*map(ReadOnlyFile, published)])
        self.authority = seen_authority(run.estate, *map(seen.text, published)) or self.authority
        run.known_authority = self.authority
        return Outcome(task.host)

    def observe_certificates(self, task: Task, run: Run) -> Outcome:
        """List the host's certificates and private keys, the certificates of its ports, and the state of its timers."""
        host = run.session(task.host.name)
        if host.shell is None:
            raise TaskFailedError("the guest is not running, or does not exist")
        done = host.run(_scan_script(run.estate, task.host.name), SCAN_SECONDS + 20)
        self.scans[task.host.name] = read_scan(task.host.name, done.out)
        return Outcome(task.host)

    def observe_again(self, task: Task, run: Run) -> Outcome:
        """Scan the host again, after pauses, while it has findings that a restart or a renewal may still correct."""
        for pause in PAUSES:
            only = AuditInput({task.host.name: self.scans[task.host.name]}, {}, self.authority)
            if not may_pass(PLACES, audit(run.estate, PLACES, only, utc_now())):
                break
            time.sleep(pause)
            self.observe_certificates(task, run)
        return Outcome(task.host)

    def seen(self, wanted: frozenset[str], errors: dict[str, str]) -> AuditInput:
        """The scans, with a reason for each host without one."""
        silent = sorted(wanted - self.scans.keys())
        return AuditInput(self.scans, {name: errors.get(name, "it was not scanned") for name in silent}, self.authority)


def _scan_script(estate: Estate, name: str) -> str:
    host = estate.host(name)
    units = [f"{renewal_unit(stem(leaf))}.{kind}" for leaf in leaves_of(estate, host.name) for kind in UNIT_KINDS]
    endpoints = endpoints_of(estate, host.name)
    scan = shell_program(
        "audit/scan.sh",
        roots=dict.fromkeys((*ROOTS, *_roots(host))),
        skipped=(*SKIPPED, *_skipped(host)),
        xdev="-xdev" if isinstance(host, Hypervisor) else "",
        store_size=STORE_SIZE,
        units=units,
        endpoints="\n".join(f"{one.name} {one.address} {one.server_name}" for one in endpoints),
    )
    return shlex.join(("timeout", "-k", "5", str(SCAN_SECONDS), "nice", "-n", "10", "sh", "-c", scan))


UNIT_KINDS = ("service", "timer")


def _roots(host: object) -> Iterator[str]:
    """Further directories to scan on a host."""
    if isinstance(host, Hypervisor):
        yield "/etc/pve"
    elif isinstance(host, Guest):
        yield from (mount.target for mount in host.mounts if not mount.target.startswith(ROOTS))
        yield from (host.persistent_storage,) if host.persistent_storage else ()


def _skipped(host: object) -> Iterator[str]:
    """Directories of a hypervisor that belong to guests, and are scanned there."""
    if isinstance(host, Hypervisor):
        yield from (host.guest_storage, host.vm_storage, *(dataset.mountpoint for dataset in host.datasets.values()))
