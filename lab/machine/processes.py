"""The lab's processes on this machine that belong to none of its control groups, known by their command lines."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.lab.programs import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix.lab.places import LabPlaces


def starters(places: LabPlaces) -> list[int]:
    """LXC's own processes for the outer container: what starts it, and what watches it."""
    wanted = [str(places.containers), places.name]
    watcher = f"[lxc monitor] {' '.join(wanted)}"
    return [
        pid
        for pid, words in _command_lines()
        if " ".join(words).strip() == watcher or (Path(words[0]).name == "lxc-start" and words[2:5:2] == wanted)
    ]


def forwarders(places: LabPlaces) -> list[int]:
    """Forwarders into this lab, one that has not said yet that it listens among them."""
    wanted = ["-m", "phoenix.lab.forward", str(places.lab)]
    return [pid for pid, words in _command_lines() if words[1:] == wanted]


def end(pids: list[int], number: signal.Signals = signal.SIGKILL) -> None:
    """End these processes, and wait until they are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    wait_until(f"the end of processes {pids}", lambda: not any(map(_alive, pids)), limit=10)


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def _command_lines() -> Iterator[tuple[int, list[str]]]:
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (directory / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace")
            if line:
                yield int(directory.name), line.split("\0")
