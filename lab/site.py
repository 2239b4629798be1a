"""What the API server imports, installed for the hypervisor's Python by this machine's pip into the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from typing import TYPE_CHECKING

from phoenix.lab.places import CODE, Places
from phoenix.lab.run import locked, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOCK = CODE / "requirements.lock"
HYPERVISOR_PYTHON = "3.11"  # Debian bookworm's
INSTALL_LIMIT = 300.0


def place(places: Places) -> Path:
    """Where the packages of this lock file are, or would be."""
    key = hashlib.sha256(LOCK.read_bytes() + HYPERVISOR_PYTHON.encode()).hexdigest()[:16]
    return places.cache / "site" / key


def obtain(places: Places, say: Callable[[str], None]) -> Path:
    """The directory of installed packages that the lock file names."""
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
    for rest in target.parent.glob(".build-*"):  # of an installation that was killed
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
