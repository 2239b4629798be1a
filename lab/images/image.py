"""The lab's image: trees and package repository, built once, cached under the key of their recipe."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.lab.images import apt, debian_packages, repository, trees, webpki
from phoenix.lab.places import CODE, LabPlaces
from phoenix.lab.programs import locked

if TYPE_CHECKING:
    from collections.abc import Callable

RECIPE = (
    "images/debian_packages.py",
    "images/repository.py",
    "images/trees.py",
    "images/webpki.py",
    "internet/names.py",
)
BUILD_LIMIT = 1200.0
KEPT_UNUSED = 3600.0


@dataclass(frozen=True)
class Image:
    """A finished image, mounted read-only by the labs that use it."""

    path: Path

    @property
    def guest(self) -> Path:
        """The root tree of privileged guests, and the lowest layer of the hypervisor and the client."""
        return self.path / "guest"

    @property
    def shifted(self) -> Path:
        """The root tree of unprivileged guests: `guest` with shifted owners."""
        return self.path / "guest-shifted"

    @property
    def hypervisor(self) -> Path:
        """The hypervisor's layer above the guest tree."""
        return self.path / "pve"

    @property
    def client(self) -> Path:
        """The client's layer above the guest tree."""
        return self.path / "client"

    @property
    def repository(self) -> Path:
        """The Debian packages that `internet` serves."""
        return self.path / "public" / "debian"

    @property
    def web(self) -> Path:
        """The certificate that `internet` presents, and its CA."""
        return self.path / "public" / "web"


def recipe_key() -> str:
    """Return the cache key of an image: a hash of the package lists and of the code that builds it."""
    digest = hashlib.sha256(platform.machine().encode())
    for path in (*(CODE / name for name in RECIPE), *sorted((CODE / "debian").iterdir())):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def place(places: LabPlaces) -> Image:
    """Return the image of the current recipe, whether built or not."""
    return Image(places.images / recipe_key())


def obtain(places: LabPlaces, say: Callable[[str], None]) -> Image:
    """Return the image of the current recipe; build it if it is not in the cache."""
    image = place(places)
    if image.path.is_dir():
        os.utime(image.path)  # mark as used: see _prune
        return image
    busy = "the image that another process is building"
    with locked(places.images / ".lock", limit=BUILD_LIMIT, busy=busy, say=say):
        if image.path.is_dir():
            return image
        for rest in places.images.glob(".build-*"):  # left by a killed builder: this process holds the lock
            shutil.rmtree(rest)
        scratch = places.images / f".build-{os.getpid()}"
        scratch.mkdir(parents=True)
        try:
            _build(Image(scratch / "image"), scratch, say)
            (scratch / "image").rename(image.path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        _prune(places, image)
    return image


def _prune(places: LabPlaces, newest: Image) -> None:
    """Remove images of older recipes that no lab mounts and that were not requested within KEPT_UNUSED seconds."""
    shown = set()
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):
            shown.update(re.findall(r"/image/([0-9a-f]{16})", table.read_text()))
    for path in places.images.glob("[0-9a-f]*"):
        idle = time.time() - path.stat().st_mtime
        if path != newest.path and path.name not in shown and idle > KEPT_UNUSED:
            path.rename(doomed := path.with_name(f".build-{path.name}"))  # a half-removed image looks like a whole one
            shutil.rmtree(doomed)


def _build(image: Image, scratch: Path, say: Callable[[str], None]) -> None:
    image.path.mkdir()
    say("building the guest image, once: downloading its Debian packages")
    private = apt.PrivateApt(scratch / "apt")
    private.prepare(apt.machine_sources())
    wanted = (*debian_packages.GUEST, *debian_packages.HYPERVISOR, *debian_packages.CLIENT, *debian_packages.DEPLOYED)
    downloaded = private.download([*wanted, *(f"{name}-" for name in debian_packages.UNWANTED)])
    say("image: making the package repository")
    repository.build_repository(downloaded, scratch / "stand-ins", image.repository)
    webpki.create(image.web)
    say("image: installing the guests' tree")
    trees.build_guest(image.repository, image.web / "ca.crt", image.guest)
    say("image: installing the hypervisor and the client above it")
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(trees.copy_shifted, image.guest, image.shifted),
            pool.submit(trees.build_hypervisor, image.guest, image.repository, image.hypervisor, scratch / "layer"),
            pool.submit(trees.build_client, image.guest, image.repository, image.client, scratch / "client"),
        ]
        for job in jobs:
            job.result()
