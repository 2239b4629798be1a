"""systemd units, and daemons: a unit with the files that it reads, changed together or put back together."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from phoenix.conventions import SYSTEMD, UNFINISHED
from phoenix.converge.change import Change
from phoenix.converge.files import File, ManagedGlob
from phoenix.converge.observe import Observation, Probe
from phoenix.converge.resource import Resource


@dataclass(frozen=True)
class Unit:
    """A systemd unit: `content` is given for those that are ours; `enabled` None leaves that alone."""

    name: str
    content: str | None = None
    enabled: bool | None = True
    active: bool | None = True

    @property
    def file(self) -> File | None:
        """The unit's file, if it is ours."""
        return File(f"{SYSTEMD}/{self.name}", self.content) if self.content is not None else None

    def probes(self) -> tuple[Probe, ...]:
        """Ask systemd, if anything is wanted of it, and for the file."""
        asked = (Probe("unit", self.name),) if self.enabled or self.active is not None else ()
        return (*asked, *(self.file.probes() if self.file else ()))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write, enable, start or stop; a unit whose file changed is started anew."""
        return (
            *self.file_changes(seen),
            *self.enablement(seen),
            *self.activity(seen, restart=bool(self.file_changes(seen))),
        )

    def file_changes(self, seen: Observation) -> tuple[Change, ...]:
        """Changes of the unit's file, with systemd told of them."""
        found = self.file.changes(seen) if self.file else ()
        if found:
            return (
                *found,
                Change(f"unit {self.name}", "reload", script="systemctl daemon-reload", guard=True),
            )
        return ()

    def enablement(self, seen: Observation) -> Iterator[Change]:
        """Whether the unit starts with the host."""
        unit = seen.units.get(self.name)
        if self.enabled and (unit is None or unit.file not in ("enabled", "static", "generated", "alias")):
            name = shlex.quote(self.name)
            yield Change(f"unit {self.name}", "enable", script=f"systemctl enable --quiet {name}")

    def activity(self, seen: Observation, *, restart: bool) -> Iterator[Change]:
        """Whether the unit runs."""
        unit = seen.units.get(self.name)
        runs = unit is not None and unit.active in ("active", "activating", "reloading")
        name = shlex.quote(self.name)
        if self.active and not runs:
            state = unit.active if unit else "absent"
            yield Change(f"unit {self.name}", "start", f"is {state}", script=f"start_unit {name}")
        elif self.active and restart:
            yield Change(f"unit {self.name}", "restart", "its settings changed", script=f"restart_unit {name}")
        elif self.active is False and runs:
            yield Change(f"unit {self.name}", "stop", script=f"systemctl stop {name}")


@dataclass(frozen=True)
class Daemon:
    """A unit with the files it reads: written together, checked, told of, probed, and put back if that fails.

    `files` make the daemon reload or restart, those to `reread` make it reload in any case; `watched` are files that it
    notices by itself. `check` says whether the files are sound, `probe` whether the daemon answers; both are shell and
    have a limit of their own.
    """

    unit: Unit
    files: tuple[Resource, ...] = ()
    reread: tuple[File, ...] = ()
    watched: tuple[File | ManagedGlob, ...] = ()
    check: str | None = None
    probe: str | None = None
    on_change: Literal["reload", "restart"] = "reload"

    @property
    def _mark(self) -> str:
        return f"{UNFINISHED}/{self.unit.name}"

    def probes(self) -> tuple[Probe, ...]:
        """Ask for everything at once."""
        parts: tuple[Resource, ...] = (self.unit, *self.files, *self.reread, *self.watched)
        return (Probe("listing", self._mark), *(probe for part in parts for probe in part.probes()))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Everything that differs, wrapped in check, notice, probe and a way back."""
        told = [change for part in self.files for change in part.changes(seen)]
        reread = [change for part in self.reread for change in part.changes(seen)]
        noticed = [change for part in self.watched for change in part.changes(seen)]
        unit_file = self.unit.file_changes(seen)
        enablement = tuple(self.unit.enablement(seen))
        activity = tuple(self.unit.activity(seen, restart=bool(unit_file)))
        interrupted = bool(seen.listings.get(self._mark))
        if told and not activity:
            activity = (self._telling(self.on_change, "its files changed"),)
        elif interrupted and not activity:
            activity = (self._telling(self.on_change, "an earlier run was interrupted"),)
        elif reread and not activity:
            activity = (self._telling("reload", "its files changed"),)
        if not (told or reread or noticed or unit_file or enablement or activity):
            return ()
        title = f"unit {self.unit.name}"
        found = [
            Change(title, "update", script=f"begin {shlex.quote(self.unit.name)}", guard=True),
            *told,
            *reread,
            *noticed,
            *unit_file,
            *enablement,
        ]
        if self.check and (told or reread or noticed or interrupted):
            found.append(
                Change(title, "update", "files are sound", script=f"sound {shlex.quote(self.check)}", guard=True)
            )
        found += activity
        if self.probe:
            tell = shlex.quote(f"systemctl {self.on_change} {self.unit.name}")
            script = f"answers {shlex.quote(self.probe)} {tell}"
            found.append(Change(title, "update", "answers", script=script, guard=True))
        return (*found, Change(title, "update", script="commit", guard=True))

    def _telling(self, verb: Literal["reload", "restart"], reason: str) -> Change:
        name = shlex.quote(self.unit.name)
        script = f"systemctl reload {name}" if verb == "reload" else f"restart_unit {name}"
        return Change(f"unit {self.unit.name}", verb, reason, script=script)
