"""`lab.py down`: nothing of the lab is left, in whatever state it was."""

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
    """Stop everything and remove its state, a killed `up`'s leftovers too; whether there was anything."""
    with locked(places.lock, limit=BUSY_LIMIT, busy=BUSY):
        container = OuterContainer(places)
        forwarders = processes.forwarders(places)
        files = places.lab.exists() or _doomed(places.lab).exists()
        if not (files or forwarders or container.leftovers()):
            return False
        say("stopping the lab")
        processes.end(forwarders)
        container.kill()
        _remove(places.lab)
        return True


def _doomed(lab: Path) -> Path:
    return lab.with_name(f"{lab.name}.removing")


def _remove(lab: Path) -> None:
    """Remove the lab's directory; nothing of it is mounted once its processes are gone."""
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    if inside := [path for path in mounted if path.startswith(f"{lab}/")]:
        raise LabError(f"{inside[0]} is mounted, but not by the lab; unmount it, then run `lab.py down` again")
    doomed = _doomed(lab)
    shutil.rmtree(doomed, ignore_errors=True)  # of a `down` that was killed
    if lab.is_mount():
        _empty(lab)
        return
    with contextlib.suppress(FileNotFoundError):
        lab.rename(doomed)  # in one step: a lab that is half removed could not be told from a whole one
    shutil.rmtree(doomed, ignore_errors=True)
    if doomed.exists():
        raise LabError(f"{doomed} could not be removed; see what holds it with: find {doomed}")


def _empty(lab: Path) -> None:
    """A file system of its own is emptied, the credentials first: what is left then starts from new ones."""
    shutil.rmtree(lab / "state", ignore_errors=True)
    for path in lab.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)  # ext4's lost+found is back at the next check
        else:
            path.unlink()
