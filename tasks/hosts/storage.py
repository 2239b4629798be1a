"""Directories, datasets and NFS exports on the hypervisor that outlive the guests."""

from __future__ import annotations

import shlex

from phoenix.converge import (
    Change,
    Command,
    Directory,
    File,
    ManagedGlob,
    Observation,
    OwnedDirectory,
    Probe,
    Resource,
)
from phoenix.derive.storage import directories, exports
from phoenix.estate import Guest, Hypervisor
from phoenix.run import Converge, Run
from phoenix.templating import shell_program

EXPORTS_FILE = "/etc/exports.d/phoenix.exports"


def storage_resources(run: Run, hypervisor: Hypervisor) -> tuple[Resource, ...]:
    """The hypervisor's storage; a run on guests alone covers only their directories."""
    found: list[Resource] = [OwnedDirectory(d.path, d.uid, d.gid, d.mode) for d in directories(run.estate, hypervisor)]
    if hypervisor.name not in run.targets:
        paths = _paths(run, hypervisor)
        return tuple(r for r in found if isinstance(r, OwnedDirectory) and f"{r.path}/".startswith(paths))
    found = [*_datasets(hypervisor), *found]
    lines = [export.line for export in exports(run.estate, hypervisor)]
    if not lines:
        return (*found, Exported(ManagedGlob(EXPORTS_FILE, ())))
    text = "# Persistent storage of virtual machines. Made from the inventory; edits are undone.\n"
    return (*found, Directory("/etc/exports.d"), Exported(File(EXPORTS_FILE, text + "\n".join(lines) + "\n")))


class Exported:
    """The exports file, or its absence, and the kernel's table of exports."""

    def __init__(self, file: File | ManagedGlob) -> None:
        self.file = file

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the file."""
        return self.file.probes()

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write or remove it and export again (exportfs(8))."""
        found = self.file.changes(seen)
        return (*found, Change("exports", "reload", script="exportfs -ra", guard=True)) if found else ()


def _paths(run: Run, hypervisor: Hypervisor) -> tuple[str, ...]:
    vmids = [host.vmid for host in run.estate.hosts() if isinstance(host, Guest) and host.name in run.targets]
    return tuple(f"{root}/{vmid}/" for root in (hypervisor.guest_storage, hypervisor.vm_storage) for vmid in vmids)


def _datasets(hypervisor: Hypervisor) -> list[Resource]:
    found: list[Resource] = []
    for name, dataset in hypervisor.datasets.items():
        quoted = shlex.quote(name)
        question = f"zfs list -H -o mountpoint {quoted}"
        properties = "\n".join(f"{key}={value}" for key, value in dataset.properties.items())
        values = {"name": name, "mountpoint": dataset.mountpoint, "properties": properties}
        answer = f"({shell_program('zfs/dataset.sh', **values)})"
        found.append(Command(f"dataset {name}", question, dataset.mountpoint, answer, "create"))
        if dataset.properties:
            keys = ",".join(sorted(dataset.properties))
            ask = f"zfs get -H -o property,value {shlex.quote(keys)} {quoted} | sort | tr '\\t\\n' '= '"
            wanted = " ".join(f"{key}={dataset.properties[key]}" for key in sorted(dataset.properties))
            settle = " && ".join(
                f"zfs set {shlex.quote(f'{key}={value}')} {quoted}" for key, value in dataset.properties.items()
            )
            found.append(Command(f"properties of {name}", ask, wanted, settle))
    return found


prepare_storage = Converge("prepare_storage", storage_resources)
"""Create datasets, directories with shifted owners, and NFS exports for the targeted guests of a hypervisor."""
