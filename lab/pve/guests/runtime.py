"""The guest runtime: creates, starts, changes and destroys nested LXC containers. Calls block; run them in threads."""

import contextlib
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phoenix.lab.pve.command import CommandError, CommandResult, run
from phoenix.lab.pve.guests import bridges, hotmount, lxc_config, nfs_exports, provision
from phoenix.lab.pve.guests.rootfs import Rootfs
from phoenix.lab.pve.guests.spec import GuestMount, GuestSpec

LXC = Path("/var/lib/lxc")
LOGS = Path("/var/log/lxc")
_SHARES = "/run/lab-nfs"
_CGROUPS = Path("/sys/fs/cgroup")
_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
)


@dataclass
class GuestRuntime:
    """Runs the node's guests; ``pids`` caches the init process of each running one."""

    workloads: Path
    pids: dict[int, int] = field(default_factory=dict)

    def create(self, spec: GuestSpec, *, root_keys: str = "", original: Rootfs | None = None) -> None:
        """Create a guest's files, from the image or as a copy of another guest's."""
        rootfs = Rootfs(spec.vmid, spec.unprivileged)
        rootfs.remove()  # left by an interrupted creation
        rootfs.make(original)
        rootfs.mount()
        provision.make_unique(rootfs, spec, is_clone=original is not None)
        if root_keys:
            provision.authorize_root(rootfs, root_keys)
        self._configure(spec)

    def start(self, spec: GuestSpec) -> None:
        """Start a guest; return when its init runs. Raises CommandError if it does not start."""
        rootfs = Rootfs(spec.vmid, spec.unprivileged)
        rootfs.make()
        rootfs.mount()
        for mount in spec.mounts:
            self._source(spec, mount)
        provision.prepare(spec, rootfs, self.workloads)
        bridges.prepare(spec)
        self._configure(spec)
        self._launch(spec.vmid)

    def stop(self, vmid: int) -> None:
        """Kill a guest."""
        if self.alive(vmid):
            run("lxc-stop", "-n", str(vmid), "-k", limit=30)
        self._forget(vmid)

    def shutdown(self, vmid: int, timeout: int) -> bool:
        """Shut a guest down; return whether it powered off within ``timeout`` seconds."""
        if self.alive(vmid):
            options = ("--nokill", "-t", str(timeout))
            done = run("lxc-stop", "-n", str(vmid), *options, limit=timeout + 30, check=False)
            if done.code or self.alive(vmid):
                return False
        self._forget(vmid)
        return True

    def destroy(self, spec: GuestSpec) -> None:
        """Kill a guest and delete its files."""
        self.stop(spec.vmid)
        Rootfs(spec.vmid, spec.unprivileged).remove()
        run("rm", "-rf", str(LXC / str(spec.vmid)), str(LOGS / f"{spec.vmid}.log"), limit=30)

    def reconfigure(self, before: GuestSpec, after: GuestSpec) -> None:
        """Apply a changed name, changed interfaces and new mount points to a running guest."""
        pid = self.pid(after.vmid)
        if before.name != after.name:
            self.execute(
                after.vmid, ["sh", "-c", 'echo "$1" >/etc/hostname; hostname "$1"', "sh", after.name], limit=10
            )
        for nic in after.nics:
            if nic not in before.nics:
                bridges.rewire(after, nic, pid)
        present = {mount.key for mount in before.mounts}
        for mount in after.mounts:
            if mount.key not in present:
                source = self._source(after, mount)
                self._attach(pid, source, mount.target, after, read_only=mount.read_only)
        self._configure(after)

    @staticmethod
    def has_bridge(name: str) -> bool:
        """Whether the node has this network interface."""
        return Path("/sys/class/net", name).exists()

    def share(self, spec: GuestSpec, table: tuple[nfs_exports.NfsExport, ...]) -> None:
        """Mount and unmount NFS exports in a running VM to match the table."""
        pid = self.pid(spec.vmid)
        wanted, present = nfs_exports.shares(table, spec), _shared(pid)
        for path in wanted:
            if path not in present:
                self._attach(pid, path, f"{_SHARES}{path}", spec, read_only=False)
        for path in present:
            if path not in wanted:
                run(sys.executable, hotmount.__file__, str(pid), "-", f"{_SHARES}{path}", limit=10)

    def execute(self, vmid: int, argv: list[str], feed: bytes = b"", limit: float = 3600) -> CommandResult:
        """Run a program inside a running guest as root."""
        keep = [word for setting in _ENVIRONMENT for word in ("-v", setting)]
        return run(
            "lxc-attach", "-n", str(vmid), "--clear-env", *keep, "--", *argv, feed=feed, limit=limit, check=False
        )

    def interfaces(self, vmid: int) -> list[dict[str, Any]]:
        """Return a guest's network interfaces in the format of ``ip -json address``."""
        text = run("nsenter", "-t", str(self.pid(vmid)), "-n", "ip", "-json", "address", limit=10).out
        links: list[dict[str, Any]] = json.loads(text)
        return links

    def memory(self, vmid: int) -> int:
        """Return a guest's memory use in bytes, from its control group (v1 or v2); 0 if it has none."""
        for path in (
            _CGROUPS / f"memory/lxc.payload.{vmid}/memory.usage_in_bytes",
            _CGROUPS / f"lxc.payload.{vmid}/memory.current",
        ):
            with contextlib.suppress(OSError):
                return int(path.read_text())
        return 0

    def alive(self, vmid: int) -> bool:
        """Whether the guest runs, even if another process started it."""
        pid = self.pids.get(vmid)
        if pid is not None and _belongs(pid, vmid):
            return True
        pid = _lxc_pid(vmid)
        if pid is None:
            self.pids.pop(vmid, None)
            return False
        self.pids[vmid] = pid
        return True

    def pid(self, vmid: int) -> int:
        """Return the process id of the guest's init in this namespace; raise CommandError if it does not run."""
        if not self.alive(vmid):
            raise CommandError(f"guest {vmid} is not running")
        return self.pids[vmid]

    def _configure(self, spec: GuestSpec) -> None:
        home = Rootfs(spec.vmid, spec.unprivileged).home
        directory = LXC / str(spec.vmid)
        directory.mkdir(parents=True, exist_ok=True)
        shared = nfs_exports.shares(nfs_exports.load(), spec)
        (directory / "config").write_text(lxc_config.render(spec, home, shared))

    def _launch(self, vmid: int) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        log = LOGS / f"{vmid}.log"
        log.write_text("")
        done = run("lxc-start", "-n", str(vmid), "-l", "WARN", "-o", str(log), "-d", limit=60, check=False)
        if done.code:
            self._forget(vmid)
            errors = [line.split(" - ", 1)[-1] for line in log.read_text().splitlines() if " ERROR " in line]
            reason = errors[0] if errors else f"exit code {done.code}"
            raise CommandError(f"startup for container '{vmid}' failed: {reason}")
        self.alive(vmid)

    def _forget(self, vmid: int) -> None:
        self.pids.pop(vmid, None)
        bridges.remove_all(vmid)

    @staticmethod
    def _source(spec: GuestSpec, mount: GuestMount) -> str:
        rootfs = Rootfs(spec.vmid, spec.unprivileged)
        if mount.volume:
            rootfs.volume(mount.source)
            return str(rootfs.home / mount.source)
        if not os.path.exists(mount.source):  # noqa: PTH110 - used with os.path.realpath below
            raise CommandError(f"unable to mount {mount.key}: directory '{mount.source}' does not exist")
        if os.path.realpath(mount.source) != mount.source:
            raise CommandError(f"unable to mount {mount.key}: '{mount.source}' contains a symbolic link")
        return mount.source

    @staticmethod
    def _attach(pid: int, source: str, target: str, spec: GuestSpec, *, read_only: bool) -> None:
        owner = str(lxc_config.SHIFT if spec.unprivileged else 0)
        mode = "ro" if read_only else "rw"
        run(sys.executable, hotmount.__file__, str(pid), source, target, owner, mode, limit=10)


def _belongs(pid: int, vmid: int) -> bool:
    """Whether a process is the guest's: the kernel may have reused its id."""
    try:
        return f"lxc.payload.{vmid}/" in Path(f"/proc/{pid}/cgroup").read_text().replace("\n", "/\n")
    except OSError:
        return False


def _shared(pid: int) -> set[str]:
    """Return the exports that are mounted in a running VM, from its mount table."""
    points = (line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    return {point.removeprefix(_SHARES) for point in points if point.startswith(f"{_SHARES}/")}


def _lxc_pid(vmid: int) -> int | None:
    if not (LXC / str(vmid) / "config").exists():
        return None
    text = run("lxc-info", "-n", str(vmid), "-pH", limit=10, check=False).out.decode().strip()
    return int(text) if text.isdigit() and text != "-1" else None
