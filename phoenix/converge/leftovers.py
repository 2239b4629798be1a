"""What Phoenix wrote on a host and no longer declares there, recognized by a text in it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from phoenix.conventions import SYSTEMD
from phoenix.converge.change import Change
from phoenix.converge.observe import Observation, Probe


@dataclass(frozen=True)
class Leftovers:
    """Files that match a pattern and hold `mark` are removed, unless they are in `keep`; units are stopped first.

    Files without the mark are others' and stay. `stops` is a package's unit that is of no use without the files: it is
    stopped and disabled with them.
    """

    pattern: str
    mark: str
    keep: tuple[str, ...] = ()
    stops: str = ""

    def probes(self) -> tuple[Probe, ...]:
        """Read a single file, which starts no process where there is none; search those of a pattern for the mark."""
        if not self._is_pattern:
            return (Probe("content", self.pattern),)
        return (Probe("command", self._subject, f"grep -lsF {shlex.quote(self.mark)} {self.pattern}"),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Stop and disable units, then remove their files; data stay."""
        paths = [path for path in self._marked(seen) if path not in self.keep]
        removals = tuple(
            Change(f"file {path}", "remove", "the inventory does not declare it", script=_removal(path))
            for path in paths
        )
        if not (removals and self.stops):
            return removals
        stop = f"systemctl disable --quiet --now {shlex.quote(self.stops)}"
        return (Change(f"unit {self.stops}", "stop", "its files are not declared", script=stop), *removals)

    def _marked(self, seen: Observation) -> list[str]:
        if self._is_pattern:
            return seen.outputs.get(self._subject, "").splitlines()
        return [self.pattern] if self.mark in (seen.text(self.pattern) or "") else []

    @property
    def _is_pattern(self) -> bool:
        return "*" in self.pattern

    @property
    def _subject(self) -> str:
        return f"files of {self.pattern} with {self.mark!r}"


def _removal(path: str) -> str:
    quoted = shlex.quote(path)
    if not path.startswith(SYSTEMD):
        return f"rm -f {quoted}"
    unit = shlex.quote(path.rsplit("/", 1)[1])
    reload = f"rm -f {quoted} && systemctl daemon-reload"
    return reload if path.endswith(".conf") else f"systemctl disable --quiet --now {unit} && {reload}"
