"""Finds and ends the lab's processes that are outside its control groups, by their command lines."""

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
    """Return the process ids of lxc-start and of LXC's monitor for the outer container."""
    arguments = [str(places.containers), places.name]
    monitor = f"[lxc monitor] {' '.join(arguments)}"
    return [
        pid
        for pid, words in _command_lines()
        if " ".join(words).strip() == monitor or (Path(words[0]).name == "lxc-start" and words[2:5:2] == arguments)
    ]


def forwarders(places: LabPlaces) -> list[int]:
    """Return the process ids of this lab's forwarders, including those that do not listen yet."""
    arguments = ["-m", "phoenix.lab.forward", str(places.lab)]
    return [pid for pid, words in _command_lines() if words[1:] == arguments]


def end(pids: list[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to processes and wait up to 10 s for their end; raise LabError after that."""
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
