"""The outer container, which is the hypervisor's machine: LXC configuration, start and end.

`lab.start` configures it with the built images and starts it; `lab.stop` kills it with all nested guests.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.lab.machine import processes
from phoenix.lab.places import (
    CODE,
    INSIDE_CLIENT,
    INSIDE_CODE,
    INSIDE_IMAGE,
    INSIDE_REGISTRY,
    INSIDE_SITE,
    INSIDE_STATE,
    PRODUCT,
    LabPlaces,
)
from phoenix.lab.programs import run, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix.lab.images.image import Image

CGROUPS = Path("/sys/fs/cgroup")
# Directories below the lab's, by mount point in the hypervisor: on a real file system, so that they can be the upper
# layer of an overlay.
PERSISTENT = {
    "vz": "var/lib/vz",
    "lxc": "var/lib/lxc",
    "pool": "mnt/pve/quickOS",
    "quickOS": "quickOS",
    "fastData": "fastData",
    "client": str(INSIDE_CLIENT)[1:],
    "state": str(INSIDE_STATE)[1:],
}
CONFIG = """lxc.include = /usr/share/lxc/config/common.conf
lxc.include = /usr/share/lxc/config/nesting.conf
lxc.uts.name = phoenix
lxc.rootfs.path = dir:{root}
lxc.hook.pre-mount = {hook}
lxc.net.0.type = empty
lxc.apparmor.profile = unconfined
lxc.mount.auto =
lxc.mount.auto = proc:rw sys:rw cgroup:rw:force
lxc.cgroup.dir.container = {group}/container
lxc.cgroup.dir.monitor = {group}/monitor
lxc.cgroup.dir.monitor.pivot = {group}-pivot
lxc.cgroup.devices.allow = a
lxc.cgroup2.devices.allow = a
lxc.cap.drop =
lxc.tty.max = 0
lxc.mount.entry = /dev/net/tun dev/net/tun none bind,optional,create=file 0 0
lxc.init.cmd = /sbin/init
"""
# Mounts the root in the container's own mount namespace, so that this machine's mount table stays unchanged.
HOOK = """#!/bin/sh
exec mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={work} {root}
"""


@dataclass(frozen=True)
class OuterContainer:
    """The outer container of one lab."""

    places: LabPlaces

    @property
    def pid(self) -> int | None:
        """The process id of its init, or None if it does not run."""
        done = run([*self._lxc("lxc-info"), "-pH"], limit=10, check=False)
        return int(done.stdout) if done.stdout.strip().isdigit() else None

    def write_config(self, image: Image, site: Path, registry: Path) -> None:
        """Write the LXC configuration and create the directories that it mounts."""
        home, pve = self.places.containers / self.places.name, self.places.lab / "pve"
        for directory in (home, pve / "upper", pve / "work", self.places.root):
            directory.mkdir(parents=True, exist_ok=True)
        hook = home / "mount-root"
        lower = f"{image.hypervisor}:{image.guest}"
        hook.write_text(HOOK.format(lower=lower, upper=pve / "upper", work=pve / "work", root=self.places.root))
        hook.chmod(0o755)
        lines = [CONFIG.format(root=self.places.root, hook=hook, group=self.places.name)]
        for name, inside in PERSISTENT.items():
            (self.places.lab / name).mkdir(exist_ok=True)
            lines.append(f"lxc.mount.entry = {self.places.lab / name} {inside} none bind,create=dir 0 0\n")
        read_only = {
            CODE: INSIDE_CODE / "lab",
            PRODUCT: INSIDE_CODE / "phoenix",  # for the Proxmox firewall's macros
            image.path: INSIDE_IMAGE,
            site: INSIDE_SITE,
            registry: INSIDE_REGISTRY,
        }
        for source, target in read_only.items():
            lines.append(f"lxc.mount.entry = {source} {str(target)[1:]} none bind,ro,create=dir 0 0\n")
        (home / "config").write_text("".join(lines))

    def mounts(self, *paths: Path) -> bool:
        """Whether its configuration mounts all of these paths."""
        config = self.places.containers / self.places.name / "config"
        content = config.read_text() if config.is_file() else ""
        return all(f" = {path} " in content for path in paths)

    def start(self) -> None:
        """Remove the remains of a killed container, then start it."""
        self.kill()
        log = self.places.lab / "lxc.log"
        log.unlink(missing_ok=True)
        try:
            run([*self._lxc("lxc-start"), "-d", "-l", "WARN", "-o", log], limit=30)
        except Exception as error:
            if log.is_file():
                error.add_note(log.read_text(errors="replace")[-1500:])
            raise

    def kill(self) -> None:
        """Kill all its processes, including those of its guests, and remove its control groups."""
        processes.end(processes.starters(self.places))
        end = time.monotonic() + 20
        while pids := set(self._pids()):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > end:
                wait_until(f"the end of the lab's processes {sorted(pids)}", lambda: not set(self._pids()), limit=5)
            time.sleep(0.02)
        for directory in self._groups():
            for group, _, _ in os.walk(directory, topdown=False):
                with contextlib.suppress(FileNotFoundError):
                    Path(group).rmdir()

    def leftovers(self) -> bool:
        """Whether it has processes or control groups."""
        return bool(processes.starters(self.places)) or any(True for _ in self._groups())

    def _lxc(self, program: str) -> list[str | Path]:
        return [program, "-P", self.places.containers, "-n", self.places.name]

    def _groups(self) -> Iterator[Path]:
        """Yield its control groups: one per controller in cgroup v1, one in cgroup v2."""
        for name in (self.places.name, f"{self.places.name}-pivot"):
            yield from CGROUPS.glob(f"{name}")
            yield from CGROUPS.glob(f"*/{name}")

    def _pids(self) -> Iterator[int]:
        for directory in self._groups():
            for group, _, _ in os.walk(directory):
                with contextlib.suppress(OSError):
                    yield from (int(pid) for pid in Path(group, "cgroup.procs").read_text().split())
