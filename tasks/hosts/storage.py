"""Directories, datasets and NFS exports on the hypervisor that outlive the guests."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.converge import (
    MADE,
    Change,
    File,
    Observation,
    OwnedDirectory,
    Packages,
    Plan,
    Probe,
    Resource,
)
from phoenix.converge.change import text_diff
from phoenix.derive.storage import Export, directories, exports, mount_path
from phoenix.errors import TaskFailedError
from phoenix.estate import Guest, Hypervisor
from phoenix.run import Converge, Run
from phoenix.templating import shell_program

EXPORTS_FILE = "/etc/exports.d/phoenix.exports"
EXPORT_SERVER = "nfs-kernel-server"
HEAD = f"# Persistent storage of virtual machines. Made from {MADE}."
OWNER = "phoenix:estate"
"""User property of a dataset (zfsprops(7)): the zone of the estate that made it, or that it was handed over to."""


def storage_resources(run: Run, hypervisor: Hypervisor) -> tuple[Resource, ...]:
    """The hypervisor's storage; a run on guests alone covers only theirs."""
    directories = _directories(run, hypervisor)
    lines = exports(run.estate, hypervisor)
    if hypervisor.name in run.targets:
        return (*_datasets(run, hypervisor), *directories, Exported(lines, is_complete=True))
    paths = _paths(run, hypervisor)
    theirs = tuple(export for export in lines if f"{export.path}/".startswith(paths))
    server = (Packages((EXPORT_SERVER,)), Exported(theirs)) if theirs else ()
    return (*(one for one in directories if f"{one.path}/".startswith(paths)), *server)


def _directories(run: Run, hypervisor: Hypervisor) -> tuple[OwnedDirectory, ...]:
    return tuple(OwnedDirectory(d.path, d.uid, d.gid, d.mode) for d in directories(run.estate, hypervisor))


@dataclass(frozen=True)
class Exported:
    """Lines of the exports file, and the kernel's table of exports; other lines stay unless these are complete."""

    exports: tuple[Export, ...]
    is_complete: bool = False

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the file."""
        return File(EXPORTS_FILE, "").probes()

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write or remove it and export again (exportfs(8))."""
        lines = self.lines(seen.text(EXPORTS_FILE))
        file = File(EXPORTS_FILE, "\n".join((HEAD, *lines, ""))) if lines else None
        found = file.changes(seen) if file else self._removal(seen)
        return (*found, Change("exports", "reload", script="exportfs -ra", guard=True)) if found else ()

    def _removal(self, seen: Observation) -> tuple[Change, ...]:
        if EXPORTS_FILE not in seen.stats:
            return ()
        reason = "the inventory declares no export"
        return (Change(f"file {EXPORTS_FILE}", "remove", reason, script=f"rm -f {EXPORTS_FILE}"),)

    def lines(self, text: str | None) -> tuple[str, ...]:
        """The lines of the file as it should be, without its head."""
        paths = {export.path for export in self.exports}
        there = [line for line in (text or "").splitlines() if line and not line.startswith("#")]
        others = () if self.is_complete else (line for line in there if line.split(" ", 1)[0] not in paths)
        return (*others, *(export.line for export in self.exports))


def _paths(run: Run, hypervisor: Hypervisor) -> tuple[str, ...]:
    vmids = [host.vmid for host in run.estate.hosts() if isinstance(host, Guest) and host.name in run.targets]
    return tuple(f"{root}/{vmid}/" for root in (hypervisor.guest_storage, hypervisor.vm_storage) for vmid in vmids)


def _datasets(run: Run, hypervisor: Hypervisor) -> list[Resource]:
    """Datasets with the declared properties; a user property of ZFS identifies those that the estate made."""
    found: list[Resource] = []
    for name, dataset in hypervisor.datasets.items():
        declared = {"mountpoint": dataset.mountpoint, **dataset.properties}
        values = {
            "name": name,
            "owner": f"{OWNER}={run.estate.zone}",
            "properties": "\n".join(f"{key}={value}" for key, value in declared.items()),
        }
        functions = shell_program("zfs/dataset.sh", **values)
        wanted = "\n".join(f"{key}={declared[key]}" for key in sorted(declared))
        found.append(ManagedDataset(name, run.estate.zone, wanted, functions))
    return found


@dataclass(frozen=True)
class ManagedDataset:
    """A dataset with its mount point and properties, `wanted` as lines KEY=VALUE; another owner's is never changed."""

    name: str
    zone: str
    wanted: str
    functions: str

    def probes(self) -> tuple[Probe, ...]:
        """Ask for its owner and properties."""
        return (Probe("command", f"dataset {self.name}", f"({self.functions}show)"),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Create it, or set properties that differ; TaskFailedError if it differs and the estate did not make it."""
        title = f"dataset {self.name}"
        owner, _, properties = seen.outputs.get(title, "").strip().partition("\n")
        if not owner:
            return (Change(title, "create", script=f"({self.functions}make)"),)
        if properties == self.wanted:
            return ()
        diff = text_diff(self.name, properties, self.wanted)
        if owner != self.zone:
            lines = "; ".join(line for line in diff.splitlines() if line[:1] in "+-" and line[:2] not in ("++", "--"))
            raise TaskFailedError(
                f"dataset {self.name} was not made by this estate and differs ({lines}): declare it as it is, or hand "
                f"it over with: zfs set {OWNER}={self.zone} {self.name}"
            )
        return (Change(title, "update", "properties differ", diff, f"({self.functions}correct)"),)


class PrepareStorage(Converge[Hypervisor]):
    """The task, which also notes the guests' mounts that are wrong until it has corrected them."""

    def plan(self, run: Run, host: Hypervisor) -> Plan:
        """Plan, and note the mounts in which nothing can be observed."""
        plan = super().plan(run, host)
        seen = run.session(host.name).observe(self.resources(run, host))
        wrong = {one.path for one in _directories(run, host) if one.is_wrong(seen)}
        run.wrong_mounts.update((guest.name, target) for path, guest, target in _mounts(run, host) if path in wrong)
        return plan

    def apply(self, run: Run, host: Hypervisor, plan: Plan) -> None:
        """Apply the plan; what the guests' mounts hold is observed again."""
        super().apply(run, host, plan)
        for _, guest, target in _mounts(run, host):
            if (guest.name, target) in run.wrong_mounts:
                run.wrong_mounts.discard((guest.name, target))
                run.session(guest.name).forget()


def _mounts(run: Run, hypervisor: Hypervisor) -> list[tuple[str, Guest, str]]:
    """Bind mounts of a hypervisor's guests: path on the hypervisor, guest, path in the guest."""
    return [
        (mount_path(hypervisor, guest, mount), guest, mount.target)
        for guest in run.estate.guests
        if guest.hypervisor == hypervisor.name
        for mount in guest.mounts
    ]


prepare_storage = PrepareStorage("prepare_storage", storage_resources)
"""Create datasets, directories with shifted owners, and NFS exports for the targeted guests of a hypervisor."""
