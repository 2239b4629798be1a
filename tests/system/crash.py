"""Kills the work on a machine after each of its side effects in turn, like a power failure.

Programs with side effects get a wrapper in /usr/local/sbin, which is first in the PATH of the product's scripts. The
wrapper runs the real program. When it sees an effect for the first time, it kills the calling shell and all shells
above it. It lets known effects pass, so that each round gets one effect further.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.system import bench

CHANGING = (
    *("chmod", "chown", "cp", "curl", "dd", "install", "ln", "mkdir", "mktemp", "mv", "openssl", "rm", "rmdir", "sed"),
    *("step", "sync", "systemctl", "tar", "tee", "touch"),
)
MOVING = ("ln", "mv", "rm", "step", "systemctl", "touch")
"""The programs that create, move and remove files and start services: others only prepare files not yet in use."""
FOLDER = "/usr/local/sbin"
KILL = f"{FOLDER}/crash-kill"
NO_EFFECT = "^systemctl (show|is-)|^sed [^-]|^(chmod|mkdir|mktemp|rm|touch)( -[a-z]+)* WORK[^ ]* $|^cp .* WORK"
"""Commands that only read, or that change only a script's temporary working folder."""
# An effect is identified by its command line without numbers, dates and the working folder's name, which differ in each
# run. The wrapper also works for commands of other users, which must be able to kill a shell of root.
WRAPPER = rf"""#!/bin/sh
# written by the tests
PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
name=${{0##*/}}
"$name" "$@"
status=$?
[ -e /run/crash/armed ] || exit $status
command=$(printf '%s\n' "$name $*" | sed 's#/run/phoenix[.][^/ ]*#WORK#g; s/[0-9][0-9][0-9: T-]*/-/g' | tr '\n' ' ')
if printf '%s\n' "$command" | grep -qE '{NO_EFFECT}'; then exit $status; fi
effect="$(sh /run/crash/progress </dev/null 2>/dev/null) $command"
if grep -qxFe "$effect" /run/crash/killed; then exit $status; fi
rm -f /run/crash/armed
printf '%s\n' "$effect" >>/run/crash/killed
process=$PPID above=
while [ "$process" -gt 1 ]; do
  above="$above $process"
  process=$(sed 's/.*) . \([0-9]*\) .*/\1/' /proc/$process/stat)
done
{KILL} -KILL $above
"""
HELD = """/usr/bin/rm -f /run/crash/armed
({holds}
) >/run/crash/held 2>&1 || {{ tail -n 1 /run/crash/killed; cat /run/crash/held; exit 1; }}
: >/run/crash/armed; cat /run/crash/killed"""
MAX_KILLS = 150


@contextmanager
def wrapped(host: str, programs: tuple[str, ...], progress: str) -> Iterator[None]:
    """Install the wrappers during the block."""
    paths = " ".join(f"{FOLDER}/{name}" for name in programs)
    install = (
        f"set -e; mkdir -p -m 777 /run/crash; cd /run/crash; : >armed; : >killed; chmod 666 killed\n"
        f"printf %s {shlex.quote(progress)} >progress; cp /usr/bin/kill {KILL}; chmod 4755 {KILL}\n"
        f"printf %s {shlex.quote(WRAPPER)} >wrapper; chmod 755 wrapper\n"
        f"for path in {paths}; do /usr/bin/cp -p wrapper $path; done"
    )
    bench.sh(host, install)
    try:
        yield
    finally:
        bench.sh(host, f"/usr/bin/rm -rf /run/crash {KILL} {paths}")


def kill_after_each(
    host: str,
    go: Callable[[], tuple[int, str]],
    programs: tuple[str, ...] = CHANGING,
    *,
    progress: str = "",
    holds: str = "true",
) -> list[str]:
    """Repeat the work, each time killing it after the next side effect, until it completes; return the effects.

    Every round starts from the remains of the previous one. After each round the script `holds` must succeed; the round
    that is not killed must succeed itself. The output of the script `progress` is part of an effect: it distinguishes
    equal commands at different stages of the work.
    """
    with wrapped(host, programs, progress):
        killed: list[str] = []
        for _ in range(MAX_KILLS):
            status, output = go()
            before, killed = killed, bench.sh(host, HELD.format(holds=holds)).splitlines()
            if killed == before:
                assert status == 0, output
                return killed
    raise AssertionError(f"{host}: not finished after {MAX_KILLS} kills, the last one after {killed[-1]!r}")
