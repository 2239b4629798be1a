"""Builds the package repository that `internet` serves as deb.debian.org: Debian's packages and two stand-ins."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from phoenix.lab.images.debian_packages import SUITE
from phoenix.lab.places import CODE
from phoenix.lab.programs import run, text


@dataclass(frozen=True)
class StandInPackage:
    """A Debian package built here, whose files stand in for programs that the lab's kernel cannot run."""

    name: str
    summary: str
    files: dict[str, tuple[str, int]]  # path in the package → file in lab/debian, mode
    links: dict[str, str] = field(default_factory=dict)
    depends: str = ""
    enable: str = ""  # a unit that the package enables and starts, as Debian's does


STAND_IN_PACKAGES = (
    StandInPackage(
        name="nfs-common",
        summary="lab stand-in for the NFS client",
        files={"usr/sbin/mount.nfs4": ("mount.nfs4", 0o755)},
        links={"usr/sbin/mount.nfs": "mount.nfs4"},
    ),
    StandInPackage(
        name="nfs-kernel-server",
        summary="lab stand-in for the NFS server",
        files={
            "usr/sbin/exportfs": ("exportfs", 0o755),
            "usr/lib/lab-nfs/listen": ("listen", 0o755),
            "lib/systemd/system/nfs-server.service": ("nfs-server.service", 0o644),
        },
        depends="python3",
        enable="nfs-server.service",
    ),
)

POSTINST = """#!/bin/sh
set -e
if [ "$1" = configure ]; then
    deb-systemd-helper enable {unit} >/dev/null || true
    [ ! -d /run/systemd/system ] || {{ systemctl daemon-reload; systemctl restart {unit}; }}
fi
"""
PRERM = """#!/bin/sh
[ ! -d /run/systemd/system ] || systemctl stop {unit} || true
[ "$1" != remove ] || deb-systemd-helper disable {unit} >/dev/null || true
"""


def build_stand_in(package: StandInPackage, scratch: Path, pool: Path) -> None:
    """Build a stand-in package into the pool."""
    root = scratch / package.name
    (root / "DEBIAN").mkdir(parents=True)
    for target, (source, mode) in package.files.items():
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CODE / "debian" / source, root / target)
        (root / target).chmod(mode)
    for link, target in package.links.items():
        (root / link).symlink_to(target)
    # The version is higher than Debian's, so that apt prefers the stand-in.
    control = [
        f"Package: {package.name}", "Version: 9:1.0-phoenix-lab", "Architecture: all",
        "Maintainer: Phoenix lab <root@localhost>", f"Description: {package.summary}",
    ]  # fmt: skip
    control += [f"Depends: {package.depends}"] if package.depends else []
    (root / "DEBIAN/control").write_text("\n".join(control) + "\n")
    for script, content in (("postinst", POSTINST), ("prerm", PRERM)) if package.enable else ():
        (root / "DEBIAN" / script).write_text(content.format(unit=package.enable))
        (root / "DEBIAN" / script).chmod(0o755)
    run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", root, pool / f"{package.name}_1.0_all.deb"])


def repack(deb: Path, target: Path) -> None:
    """Repack a package with fast compression: images are built once, but guests unpack packages often."""
    control = run(["dpkg-deb", "--ctrl-tarfile", deb]).stdout
    data = run(["sh", "-c", 'dpkg-deb --fsys-tarfile "$0" | zstd -q -1', deb], limit=120).stdout
    with target.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, content in (("debian-binary", b"2.0\n"), ("control.tar", control), ("data.tar.zst", data)):
            file.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
            file.write(content + b"\n" * (len(content) % 2))


def build_repository(packages: Path, scratch: Path, repository: Path) -> None:
    """Create the pool and its index, readable as `deb [trusted=yes] … bookworm main`."""
    pool = repository / "pool"
    pool.mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(lambda deb: repack(deb, pool / deb.name), packages.glob("*.deb")))
    for package in STAND_IN_PACKAGES:
        build_stand_in(package, scratch, pool)
    index(repository)


def index(repository: Path) -> None:
    """Write the index of the pool."""
    architecture = text(["dpkg", "--print-architecture"])
    binary = repository / f"dists/{SUITE}/main/binary-{architecture}"
    binary.mkdir(parents=True, exist_ok=True)
    # Paths in the index are relative to the repository's root.
    (binary / "Packages").write_bytes(run(["sh", "-c", 'cd "$0" && apt-ftparchive packages pool', repository]).stdout)
    fields = {"Suite": SUITE, "Codename": SUITE, "Architectures": architecture, "Components": "main"}
    options = [word for key, value in fields.items() for word in ("-o", f"APT::FTPArchive::Release::{key}={value}")]
    release = run(["apt-ftparchive", *options, "release", repository / f"dists/{SUITE}"]).stdout
    (repository / f"dists/{SUITE}/Release").write_bytes(release)
