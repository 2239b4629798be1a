"""Kills what runs on a machine right after each of its side effects in turn, as a power cut would.

Programs that change something get a wrapper in /usr/local/sbin, where every script of the product looks first. It
runs the real program; the first time that it sees this very effect it kills the shell that called it, with all shells
above that one. What was killed after once is let through from then on, so that each round gets one effect further.
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
"""Those that make, move and remove files and start programs: what is between them only prepares a file nobody reads."""
FOLDER = "/usr/local/sbin"
KILL = f"{FOLDER}/crash-kill"
NONE = "^systemctl (show|is-)|^sed [^-]|^(chmod|mkdir|mktemp|rm|touch)( -[a-z]+)* WORK[^ ]* $|^cp .* WORK"
"""What only looks, and what lies in a script's own working folder, where nothing lasts."""
# The same effect is told by its command line without what differs each time: numbers, dates, and the name of that
# folder. Commands of another user must be able to do all this, and to end a shell of root.
WRAPPER = rf"""#!/bin/sh
# made by the tests
PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
name=${{0##*/}}
"$name" "$@"
status=$?
[ -e /run/crash/armed ] || exit $status
said=$(printf '%s\n' "$name $*" | sed 's#/run/phoenix[.][^/ ]*#WORK#g; s/[0-9][0-9][0-9: T-]*/-/g' | tr '\n' ' ')
if printf '%s\n' "$said" | grep -qE '{NONE}'; then exit $status; fi
effect="$(sh /run/crash/stands </dev/null 2>/dev/null) $said"
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
MOST = 150


@contextmanager
def wrapped(host: str, programs: tuple[str, ...], stands: str) -> Iterator[None]:
    """Put the wrappers in place, and take them away again."""
    places = " ".join(f"{FOLDER}/{name}" for name in programs)
    put = (
        f"set -e; mkdir -p -m 777 /run/crash; cd /run/crash; : >armed; : >killed; chmod 666 killed\n"
        f"printf %s {shlex.quote(stands)} >stands; cp /usr/bin/kill {KILL}; chmod 4755 {KILL}\n"
        f"printf %s {shlex.quote(WRAPPER)} >wrapper; chmod 755 wrapper\n"
        f"for place in {places}; do /usr/bin/cp -p wrapper $place; done"
    )
    bench.sh(host, put)
    try:
        yield
    finally:
        bench.sh(host, f"/usr/bin/rm -rf /run/crash {KILL} {places}")


def kill_after_each(
    host: str,
    go: Callable[[], tuple[int, str]],
    programs: tuple[str, ...] = CHANGING,
    *,
    stands: str = "",
    holds: str = "true",
) -> list[str]:
    """Go on and on, each time killed after the first side effect that no kill came after yet, until there is none.

    Gives these effects. Every round begins with what the one before it left behind, of which `holds` must be true; the
    one that is not killed must succeed. What `stands` prints is part of an effect, for work that does the same thing
    again when it stands elsewhere.
    """
    with wrapped(host, programs, stands):
        killed: list[str] = []
        for _ in range(MOST):
            status, output = go()
            before, killed = killed, bench.sh(host, HELD.format(holds=holds)).splitlines()
            if killed == before:
                assert status == 0, output
                return killed
    raise AssertionError(f"{host}: not at an end after {MOST} kills, the last after {killed[-1]!r}")
