"""Checks this machine's prerequisites before the lab starts, and reports all missing ones at once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix.lab.places import LabPlaces

# Each program and its Debian package.
PROGRAMS = {
    "apt-ftparchive": "apt-utils",
    "dpkg-deb": "dpkg",
    "eatmydata": "eatmydata",
    "ip": "iproute2",
    "lxc-start": "lxc",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "newuidmap": "uidmap",
    "nsenter": "util-linux",
    "nft": "nftables",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "zstd": "zstd",
}
# File systems that can be the upper layer of an overlay; another overlay cannot.
REAL_FILE_SYSTEMS = ("ext2/ext3", "xfs", "btrfs")  # in `stat`'s names; ext2/ext3 includes ext4
SYSCTLS = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524_288,
    "kernel/keys/maxkeys": 4000,
    "kernel/keys/maxbytes": 400_000,
    # All network namespaces share one table of neighbours: N guests that try each other need N*N entries.
    "net/ipv4/neigh/default/gc_thresh2": 16_384,
    "net/ipv4/neigh/default/gc_thresh3": 32_768,
}
GIB = 1 << 30
DISK_FOR_LAB, DISK_FOR_CACHE, MEMORY = 4 * GIB, 3 * GIB, 1 * GIB
PROBE_LIMIT = 10


def check(places: LabPlaces) -> None:
    """Raise LabError with every missing prerequisite; otherwise raise kernel limits that are too low."""
    os.environ["PATH"] = _path()  # cron's PATH lacks /usr/sbin and /sbin
    if problems := list(missing(places)):
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise LabError(f"this machine cannot run the lab:\n{lines}")
    for name, value in SYSCTLS.items():
        _raise_limit(Path("/proc/sys", name), value)


def missing(places: LabPlaces) -> Iterator[str]:
    """Yield a message for each missing prerequisite: what is missing and what to do."""
    absent = {name: package for name, package in PROGRAMS.items() if not shutil.which(name, path=_path())}
    if absent:
        packages = " ".join(sorted(set(absent.values())))
        yield f"programs are missing: {', '.join(absent)}. Run: apt-get install {packages}"
    if os.geteuid() != 0:
        yield "not root: containers, bridges and mounts need root. Run as root"
        return  # without root, the checks below fail for this reason alone
    yield from _kernel()
    yield from _space(places)


def _path() -> str:
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"


def _kernel() -> Iterator[str]:
    _modprobe("overlay")
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        yield "the kernel has no overlayfs (module overlay)"
    _modprobe("br_netfilter")
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        yield "no br_netfilter: bridged packets would pass unfiltered. Run: modprobe br_netfilter"
    if not _works("unshare", "--user", "--map-root-user", "true"):
        yield "no user namespaces: check /proc/sys/user/max_user_namespaces and the sandbox that this machine runs in"
    if not _works("unshare", "--net", "ip", "link", "add", "probe0", "type", "bridge"):
        yield "cannot create a network namespace with a bridge (module bridge)"
    if not _works("unshare", "--net", "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"):
        yield "cannot create a veth pair (module veth)"
    if not _works("unshare", "--net", "nft", "add", "table", "inet", "probe"):
        yield "nft cannot create a table (modules nf_tables, nf_tables_inet)"
    if not any(Path("/sys/fs/cgroup", name).exists() for name in ("cgroup.controllers", "devices", "systemd")):
        yield "no control groups are mounted at /sys/fs/cgroup"


def _space(places: LabPlaces) -> Iterator[str]:
    for name, path, needed in (("lab", places.lab, DISK_FOR_LAB), ("cache", places.cache, DISK_FOR_CACHE)):
        existing = next(parent for parent in (path, *path.parents) if parent.exists())
        if not os.access(existing, os.W_OK):
            yield f"the {name} directory {path} is not writable. Set PHOENIX_{name.upper()} to another directory"
            continue
        kind = _file_system(existing)
        if kind not in REAL_FILE_SYSTEMS:
            yield (
                f"the {name} directory {path} is on {kind}, which cannot be an overlay's upper layer."
                f" Set PHOENIX_{name.upper()} to a directory on ext4, xfs or btrfs"
            )
        free = shutil.disk_usage(existing).free
        if free < needed:
            yield f"{path} has {free / GIB:.1f} GiB free; the {name} needs {needed / GIB:.0f} GiB"
    available = _available_memory()
    if available < MEMORY:
        yield f"{available / GIB:.1f} GiB of memory are available; the lab needs {MEMORY / GIB:.0f} GiB"


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _file_system(path: Path) -> str:
    done = _probe("stat", "--file-system", "--format=%T", str(path))
    return done.stdout.decode().strip() if done else "an unknown file system"


def _modprobe(module: str) -> None:
    """Load a module if it exists; the caller then checks the kernel's feature itself."""
    if shutil.which("modprobe", path="/usr/sbin:/sbin:/usr/bin:/bin"):
        _probe("modprobe", "-q", module)


def _works(*argv: str) -> bool:
    done = _probe(*argv)
    return done is not None and done.returncode == 0


def _probe(*argv: str) -> subprocess.CompletedProcess[bytes] | None:
    try:
        return subprocess.run(argv, capture_output=True, check=False, timeout=PROBE_LIMIT, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _raise_limit(path: Path, value: int) -> None:
    """Raise a kernel setting to at least the value."""
    if path.exists() and int(path.read_text()) < value:
        path.write_text(str(value))
