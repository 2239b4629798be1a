"""Builds the root trees: the guest tree, its copy with shifted owners, and the layers above it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from phoenix.lab.images import debian_packages
from phoenix.lab.programs import bound_to_us, run

SHIFT = 100_000
LIBEATMYDATA = "libeatmydata.so"
GUEST_SOURCES = f"deb [trusted=yes] http://deb.debian.org/debian {debian_packages.SUITE} main\n"
DPKG_OPTIONS = """force-unsafe-io
path-exclude=/usr/share/man/*
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/info/*
"""
# mmdebstrap runs this after it unpacks the essential packages and before it configures any. It installs libeatmydata
# (no fsync), empty host keys (so that none are generated) and a CA certificate (which ca-certificates then trusts).
EXTRACT_HOOK = f"""set -eu
cp -a /usr/lib/*/{LIBEATMYDATA}* "$1"/usr/lib/*-linux-gnu/
cp {{options}} "$1/etc/dpkg/dpkg.cfg.d/phoenix-lab"
mkdir -p "$1/etc/ssh" "$1/usr/share/ca-certificates/lab"
touch "$1"/etc/ssh/ssh_host_rsa_key "$1"/etc/ssh/ssh_host_ecdsa_key "$1"/etc/ssh/ssh_host_ed25519_key
cp {{authority}} "$1/usr/share/ca-certificates/lab/phoenix-lab-public-web.crt"
"""
MERGED_USR = Path("/usr/share/mmdebstrap/hooks/merged-usr")
# Installs packages through an overlay on the guest tree; the overlay's upper directory becomes the layer.
LAYER_SCRIPT = """set -eu
mount -t overlay overlay -o lowerdir="$1",upperdir="$2",workdir="$3" "$4"
mount -t proc proc "$4/proc"
mount --rbind /dev "$4/dev"
mkdir -p "$4/run/repository"
mount --bind "$5" "$4/run/repository"
cp -a /usr/lib/*/libeatmydata.so* "$4"/usr/lib/*-linux-gnu/
printf 'deb [trusted=yes] copy:/run/repository %s main\\n' "$6" >"$4/run/lab.list"
in_root() { DEBIAN_FRONTEND=noninteractive LC_ALL=C LD_PRELOAD=libeatmydata.so chroot "$root" "$@"; }
root=$4
suite=$6
shift 6
apt="apt-get -qq -o Dir::Etc::sourcelist=/run/lab.list -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root"
in_root $apt update
in_root $apt install -y --no-install-recommends "$@" </dev/null
in_root apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root"/usr/lib/*-linux-gnu/libeatmydata.so*
"""


def build_guest(repository: Path, authority: Path, target: Path) -> None:
    """Install Debian's essential packages and the guests' packages into a new tree."""
    with tempfile.TemporaryDirectory(prefix="phoenix-lab-") as scratch:
        options, hook = Path(scratch, "dpkg.cfg"), Path(scratch, "extract")
        options.write_text(DPKG_OPTIONS)
        hook.write_text("#!/bin/sh\n" + EXTRACT_HOOK.format(options=options, authority=authority))
        hook.chmod(0o755)
        argv: list[str | Path] = [
            "eatmydata", "mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--skip=check/empty",
            f"--hook-dir={MERGED_USR}", f"--extract-hook={hook}", f"--include={','.join(debian_packages.GUEST)}",
            debian_packages.SUITE, target, f"deb [trusted=yes] copy://{repository} {debian_packages.SUITE} main",
        ]  # fmt: skip
        run(bound_to_us(argv), limit=600)
    _adapt_guest(target)


def _adapt_guest(tree: Path) -> None:
    """Remove what must be unique per machine, and mask units that wait for devices that a container lacks."""
    etc = tree / "etc"
    for path in [*etc.glob("ssh/ssh_host_*"), *tree.glob(f"usr/lib/*/{LIBEATMYDATA}*"), etc / "hostname"]:
        path.unlink(missing_ok=True)
    for directory in (tree / "var/log/journal", tree / "var/cache/apt", tree / "usr/share/doc"):
        shutil.rmtree(directory, ignore_errors=True)
    (tree / "var/cache/apt/archives/partial").mkdir(parents=True)
    (etc / "machine-id").write_text("")
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text("")
    (etc / "apt/sources.list").write_text(GUEST_SOURCES)
    for unit in ("ssh.service", "sshd.service"):
        (etc / "systemd/system" / unit).unlink(missing_ok=True)
        (etc / "systemd/system/multi-user.target.wants" / unit).unlink(missing_ok=True)
    mask(tree, debian_packages.MASKED_IN_GUESTS)


def mask(tree: Path, units: tuple[str, ...]) -> None:
    """Mask units in a tree."""
    for unit in units:
        link = tree / "etc/systemd/system" / unit
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def copy_shifted(tree: Path, target: Path) -> None:
    """Copy a tree for unprivileged guests, adding SHIFT to every owner's id."""
    run(["cp", "-a", tree, target], limit=120)
    seen: set[int] = set()
    _shift(target, seen)
    for directory, names, files in os.walk(target):
        for name in (*names, *files):
            _shift(Path(directory, name), seen)


def _shift(path: Path, seen: set[int]) -> None:
    """Shift the owner of one entry; skip further hard links to it."""
    status = path.lstat()
    if status.st_ino in seen:
        return
    if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
        seen.add(status.st_ino)
    os.lchown(path, status.st_uid + SHIFT, status.st_gid + SHIFT)
    if not stat.S_ISLNK(status.st_mode) and status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        path.chmod(stat.S_IMODE(status.st_mode))  # chown(2) clears these bits


def build_client(guest: Path, repository: Path, layer: Path, scratch: Path) -> None:
    """Install the client's packages as a layer above the guest tree."""
    _install_above(guest, repository, layer, scratch, debian_packages.CLIENT)


def build_hypervisor(guest: Path, repository: Path, layer: Path, scratch: Path) -> None:
    """Install the hypervisor's packages as a layer above the guest tree, and configure it as a node."""
    _install_above(guest, repository, layer, scratch, debian_packages.HYPERVISOR)
    mask(layer, debian_packages.MASKED_IN_HYPERVISOR)
    wants = layer / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")
    for name in ("subuid", "subgid"):
        (layer / "etc" / name).write_text(f"root:{SHIFT}:65536\n")


def _install_above(guest: Path, repository: Path, layer: Path, scratch: Path, wanted: tuple[str, ...]) -> None:
    work, merged = scratch / "work", scratch / "merged"
    for directory in (layer, work, merged):
        directory.mkdir(parents=True)
    places: list[str | Path] = [guest, layer, work, merged, repository, debian_packages.SUITE]
    script: list[str | Path] = ["sh", "-c", LAYER_SCRIPT, "layer", *places, *wanted]
    run(bound_to_us(script), limit=300)
