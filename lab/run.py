"""Running programs and waiting for things, each with a limit and a message: nothing in the lab hangs."""

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

TAIL = 1500  # of a failed program's output, enough to see why


def run(
    argv: Sequence[str | Path],
    *,
    limit: float = 60,
    data: bytes | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """The finished program; a LabError if it failed, was not found, or took longer than its limit."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=data or b"", capture_output=True, check=False, timeout=limit, env=env)
    except FileNotFoundError:
        raise LabError(f"{words[0]} is not installed; `make setup` installs what the lab needs") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(words)[:200]}` did not finish within {limit:g} s") from None
    if check and done.returncode:
        said = (done.stderr + done.stdout).decode(errors="replace").strip()[-TAIL:]
        raise LabError(f"`{' '.join(words)[:200]}` failed with status {done.returncode}: {said}")
    return done


def text(argv: Sequence[str | Path], *, limit: float = 60) -> str:
    """What the program wrote, without the newline at its end."""
    return run(argv, limit=limit).stdout.decode().strip()


def bound_to_us(argv: Sequence[str | Path]) -> list[str | Path]:
    """The program in a mount namespace of its own, killed with its descendants when this process dies."""
    return [
        "setpriv", "--pdeathsig", "KILL", "--",
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
        *argv,
    ]  # fmt: skip


def wait_until(what: str, probe: Callable[[], bool], *, limit: float, every: float = 0.02) -> None:
    """Poll until the probe holds; after the limit, a LabError that says what did not happen."""
    end = time.monotonic() + limit
    while not probe():
        if time.monotonic() > end:
            raise LabError(f"{what} did not happen within {limit:g} s")
        time.sleep(every)


@contextlib.contextmanager
def locked(path: Path, *, limit: float, busy: str, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock file; the kernel lets go of it when its holder dies. `say` hears of a lock that is held."""
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
