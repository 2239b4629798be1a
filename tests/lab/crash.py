"""Kills what runs on a machine right after its Nth side effect, for every N in turn, as a power cut would.

Programs that change something get a wrapper in /usr/local/sbin, where every script of the product looks first. It
runs the real program, counts, and at the wanted number kills the shell that called it with all shells above that one.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.lab import bench

CHANGING = (
    *("chmod", "chown", "cp", "curl", "dd", "install", "ln", "mkdir", "mktemp", "mv", "openssl", "rm", "rmdir", "sed"),
    *("step", "sync", "systemctl", "tar", "tee", "touch"),
)
MOVING = ("cp", "install", "ln", "mv", "rm", "step", "systemctl", "tar", "touch")
"""Those that make, move and remove files and start programs: what is between them only prepares a file nobody reads."""
FOLDER = "/usr/local/sbin"
WRAPPER = r"""#!/bin/sh
# made by the tests
PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
name=${0##*/}
"$name" "$@"
status=$?
[ -e /run/crash/at ] || exit $status
echo "$name $*" >>/run/crash/done
[ "$(wc -l </run/crash/done)" -ge "$(cat /run/crash/at)" ] || exit $status
rm -f /run/crash/at
process=$PPID above=
while [ "$process" -gt 1 ]; do
  above="$above $process"
  process=$(sed 's/.*) . \([0-9]*\) .*/\1/' /proc/$process/stat)
done
kill -KILL $above
"""
MOST = 150


@contextmanager
def wrapped(host: str, programs: tuple[str, ...]) -> Iterator[None]:
    """Put the wrappers in place, and take them away again."""
    places = " ".join(f"{FOLDER}/{name}" for name in programs)
    put = f"mkdir -p /run/crash && printf %s {shlex.quote(WRAPPER)} >/run/crash/wrapper && chmod 755 /run/crash/wrapper"
    bench.said(host, f"{put} && for place in {places}; do /usr/bin/cp -p /run/crash/wrapper $place; done")
    try:
        yield
    finally:
        bench.said(host, f"/usr/bin/rm -rf /run/crash {places}")


def kill_after_each(host: str, go: Callable[[], object], programs: tuple[str, ...] = CHANGING) -> list[str]:
    """Go on and on, killed after the first side effect, then the second..., until it comes to its end.

    Gives what was done last before each kill. Every round begins with what the one before it left behind.
    """
    killed: list[str] = []
    with wrapped(host, programs):
        for number in range(1, MOST + 1):
            bench.said(host, f"/usr/bin/rm -f /run/crash/done; echo {number} >/run/crash/at")
            go()
            done = bench.said(host, "cat /run/crash/done 2>/dev/null; true").splitlines()
            if len(done) < number:
                return killed
            killed.append(done[number - 1])
    raise AssertionError(f"{host}: not at an end after {MOST} kills, the last after {killed[-1]!r}")
