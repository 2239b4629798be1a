"""Installs the API server's Python packages into the cache, with this machine's pip, for the hypervisor's Python."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from typing import TYPE_CHECKING

from phoenix.lab.places import CODE, LabPlaces
from phoenix.lab.programs import locked, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOCK = CODE / "requirements.lock"
HYPERVISOR_PYTHON = "3.11"  # Debian bookworm's
INSTALL_LIMIT = 300.0


def place(places: LabPlaces) -> Path:
    """Return the cache directory of the lock file's packages, whether installed or not."""
    key = hashlib.sha256(LOCK.read_bytes() + HYPERVISOR_PYTHON.encode()).hexdigest()[:16]
    return places.cache / "site" / key


def obtain(places: LabPlaces, say: Callable[[str], None]) -> Path:
    """Return the directory of the lock file's packages; install them if they are not in the cache."""
    target = place(places)
    if target.is_dir():
        return target
    busy = "another installation of the API server's packages"
    with locked(target.parent / ".lock", limit=INSTALL_LIMIT, busy=busy, say=say):
        if not target.is_dir():
            say("installing the API server's packages")
            _install(target)
    return target


def _install(target: Path) -> None:
    for rest in target.parent.glob(".build-*"):  # left by a killed installation
        shutil.rmtree(rest)
    scratch = target.parent / f".build-{os.getpid()}"
    try:
        run(
            [
                sys.executable, "-m", "pip", "install", "--quiet", "--no-input",
                "--disable-pip-version-check",
                "--target", scratch, "--python-version", HYPERVISOR_PYTHON, "--implementation", "cp",
                "--only-binary", ":all:", "--no-deps", "--require-hashes", "--requirement", LOCK,
            ],
            limit=INSTALL_LIMIT,
        )  # fmt: skip
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
