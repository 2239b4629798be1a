"""systemd units, and daemons: a unit with the files that it reads, changed together or restored together."""

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
    """A systemd unit. `content` is None for a unit of a package; None for `enabled` or `active` means unmanaged."""

    name: str
    content: str | None = None
    enabled: bool | None = True
    active: bool | None = True

    @property
    def file(self) -> File | None:
        """The unit's file, if Phoenix writes it."""
        if self.content is None:
            return None
        return File(f"{SYSTEMD}/{self.name}", self.content, mark=_description(self.content))

    def probes(self) -> tuple[Probe, ...]:
        """Query systemd, unless the unit is left as it is, and the file."""
        state = (Probe("unit", self.name),) if self.enabled or self.active is not None else ()
        return (*state, *(self.file.probes() if self.file else ()))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write, enable, start or stop the unit; restart it if its file changed."""
        return (
            *self.file_changes(seen),
            *self.enablement(seen),
            *self.activity(seen, restart=bool(self.file_changes(seen))),
        )

    def file_changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write the unit's file and reload systemd."""
        changes = self.file.changes(seen) if self.file else ()
        if changes:
            return (
                *changes,
                Change(f"unit {self.name}", "reload", script="systemctl daemon-reload", guard=True),
            )
        return ()

    def enablement(self, seen: Observation) -> Iterator[Change]:
        """Enable the unit, so that it starts with the host."""
        unit = seen.units.get(self.name)
        if self.enabled and (unit is None or unit.file not in ("enabled", "static", "generated", "alias")):
            name = shlex.quote(self.name)
            yield Change(f"unit {self.name}", "enable", script=f"systemctl enable --quiet {name}")

    def activity(self, seen: Observation, *, restart: bool) -> Iterator[Change]:
        """Start, restart or stop the unit."""
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


def _description(content: str) -> str:
    """The line that describes a unit; it identifies the unit's file as one that Phoenix wrote."""
    return next((line for line in content.splitlines() if line.startswith("Description=")), "")


@dataclass(frozen=True)
class Daemon:
    """A unit with the files that it reads: written together, checked, loaded, probed, and restored after a failure.

    A change of `files` applies `on_change`, a change of `reread` always reloads, and `watched` are files that the
    daemon rereads by itself. `check` succeeds if the files are valid, `probe` if the daemon answers; both are POSIX
    shell and have a time limit of their own.
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
        """Query the unit, all of its files, and the mark of an interrupted run."""
        parts: tuple[Resource, ...] = (self.unit, *self.files, *self.reread, *self.watched)
        return (Probe("listing", self._mark), *(probe for part in parts for probe in part.probes()))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Make all changes between guards that check the files, probe the daemon, and restore the files on failure."""
        loaded = [change for part in self.files for change in part.changes(seen)]
        reread = [change for part in self.reread for change in part.changes(seen)]
        watched = [change for part in self.watched for change in part.changes(seen)]
        unit_file = self.unit.file_changes(seen)
        enablement = tuple(self.unit.enablement(seen))
        activity = tuple(self.unit.activity(seen, restart=bool(unit_file)))
        interrupted = bool(seen.listings.get(self._mark))
        if loaded and not activity:
            activity = (self._load(self.on_change, "its files changed"),)
        elif interrupted and not activity:
            activity = (self._load(self.on_change, "an earlier run was interrupted"),)
        elif reread and not activity:
            activity = (self._load("reload", "its files changed"),)
        if not (loaded or reread or watched or unit_file or enablement or activity):
            return ()
        title = f"unit {self.unit.name}"
        changes = [
            Change(title, "update", script=f"begin {shlex.quote(self.unit.name)}", guard=True),
            *loaded,
            *reread,
            *watched,
            *unit_file,
            *enablement,
        ]
        if self.check and (loaded or reread or watched or interrupted):
            script = f"sound {shlex.quote(self.check)}"
            changes.append(Change(title, "update", "check of its files", script=script, guard=True))
        changes += activity
        if self.probe:
            load = shlex.quote(f"systemctl {self.on_change} {self.unit.name}")
            script = f"answers {shlex.quote(self.probe)} {load}"
            changes.append(Change(title, "update", "probe", script=script, guard=True))
        return (*changes, Change(title, "update", script="commit", guard=True))

    def _load(self, verb: Literal["reload", "restart"], reason: str) -> Change:
        name = shlex.quote(self.unit.name)
        script = f"systemctl reload {name}" if verb == "reload" else f"restart_unit {name}"
        return Change(f"unit {self.unit.name}", verb, reason, script=script)
