"""Runs programs, polls and takes locks for the rest of the lab; each has a time limit and fails with a LabError."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import time
from typing import TYPE_CHECKING

from phoenix.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

TAIL = 1500  # bytes of a failed program's output in its error message


def run(
    argv: Sequence[str | Path],
    *,
    limit: float = 60,
    data: bytes | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; raise LabError if it fails, is not installed, or exceeds `limit` seconds."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=data or b"", capture_output=True, check=False, timeout=limit, env=env)
    except FileNotFoundError:
        raise LabError(f"{words[0]} is not installed; run `phoenix lab up`, which lists the missing packages") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(words)[:200]}` did not finish within {limit:g} s") from None
    if check and done.returncode:
        reason = (done.stderr + done.stdout).decode(errors="replace").strip()[-TAIL:]
        raise LabError(f"`{' '.join(words)[:200]}` failed with status {done.returncode}: {reason}")
    return done


def text(argv: Sequence[str | Path], *, limit: float = 60) -> str:
    """Return a program's standard output without surrounding whitespace."""
    return run(argv, limit=limit).stdout.decode().strip()


def bound_to_us(argv: Sequence[str | Path]) -> list[str | Path]:
    """Return a command in its own mount namespace whose processes are all killed when this process dies."""
    return [
        "setpriv", "--pdeathsig", "KILL", "--",
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
        *argv,
    ]  # fmt: skip


def wait_until(what: str, probe: Callable[[], bool], *, limit: float, every: float = 0.02) -> None:
    """Poll until the probe is true; raise LabError with `what` after `limit` seconds."""
    end = time.monotonic() + limit
    while not probe():
        if time.monotonic() > end:
            raise LabError(f"{what} did not happen within {limit:g} s")
        time.sleep(every)


@contextlib.contextmanager
def locked(path: Path, *, limit: float, busy: str, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock file, at most `limit` seconds later; the kernel releases it if its holder dies.

    `say` reports that another process holds it. Raises LabError after the limit, or if the file cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LabError(
            f"the lock file {path} cannot be opened: {error.strerror}. Run as root, or set PHOENIX_CACHE to a directory"
            " that this user can write"
        ) from None

    def taken() -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        if not taken():
            if say:
                say(f"waiting for {busy}, at most {limit:.0f} s")
            wait_until(busy, taken, limit=limit, every=0.1)
        yield
    finally:
        os.close(fd)
