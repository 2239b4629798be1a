"""`lab.py down`: ends every process of the lab and removes its files, in any state."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.lab.errors import LabError
from phoenix.lab.machine import processes
from phoenix.lab.machine.container import OuterContainer
from phoenix.lab.places import BUSY
from phoenix.lab.programs import locked

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix.lab.places import LabPlaces

BUSY_LIMIT = 120.0


def down(places: LabPlaces, say: Callable[[str], None]) -> bool:
    """Stop the lab, or the remains of a killed `up`, and remove its state; return whether there was anything to do."""
    with locked(places.lock, limit=BUSY_LIMIT, busy=BUSY):
        container = OuterContainer(places)
        forwarders = processes.forwarders(places)
        files = places.lab.exists() or _removal_path(places.lab).exists()
        if not (files or forwarders or container.leftovers()):
            return False
        say("stopping the lab")
        processes.end(forwarders)
        container.kill()
        _remove(places.lab)
        return True


def _removal_path(lab: Path) -> Path:
    return lab.with_name(f"{lab.name}.removing")


def _remove(lab: Path) -> None:
    """Remove the lab's directory. Its mounts are gone with its processes; raise LabError if another mount is below."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    if inside := [path for path in mounted if path.startswith(f"{lab}/")]:
        raise LabError(f"{inside[0]} is mounted, but not by the lab; unmount it, then run `lab.py down` again")
    doomed = _removal_path(lab)
    shutil.rmtree(doomed, ignore_errors=True)  # left by a killed `down`
    if lab.is_mount():
        _empty(lab)
        return
    with contextlib.suppress(FileNotFoundError):
        lab.rename(doomed)  # atomic: a half-removed lab looks like a complete one
    shutil.rmtree(doomed, ignore_errors=True)
    if doomed.exists():
        raise LabError(f"{doomed} could not be removed; list what remains with: find {doomed}")


def _empty(lab: Path) -> None:
    """Empty a lab directory that is a mount point, credentials first: an `up` on the remains generates new ones."""
    shutil.rmtree(lab / "state", ignore_errors=True)
    for path in lab.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)  # the next fsck recreates ext4's lost+found
        else:
            path.unlink()
