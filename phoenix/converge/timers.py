"""Timers with the services that they start: many on one host, told to systemd together."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from phoenix.conventions import SYSTEMD
from phoenix.converge.change import Change
from phoenix.converge.observe import Observation, Probe
from phoenix.converge.units import Unit


@dataclass(frozen=True)
class Timers:
    """Units that are written, enabled and started as one.

    To read all of its units anew costs systemd as much as all else together. It is asked to only if one changed that
    it knows; a new one it reads when that is started (systemd.unit(5): units are loaded when they are needed).
    """

    units: tuple[Unit, ...]

    def probes(self) -> tuple[Probe, ...]:
        """Ask for each of them."""
        return tuple(probe for unit in self.units for probe in unit.probes())

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """All files first, then what systemd must be told, then what is to be enabled, started and started anew."""
        files = [change for unit in self.units if unit.file for change in unit.file.changes(seen)]
        changed = {unit.name for unit in self.units if unit.file and unit.file.changes(seen)}
        stale = any(f"{SYSTEMD}/{name}" in seen.stats for name in changed)
        reload = Change("units", "reload", script="systemctl daemon-reload", guard=True)
        enabled = [(unit, change) for unit in self.units for change in unit.enablement(seen)]
        activity = [
            (unit, change) for unit in self.units for change in unit.activity(seen, restart=unit.name in changed)
        ]
        return (
            *files,
            *((reload,) if stale else ()),
            *_together("timeout 120 systemctl enable --quiet --no-reload", enabled),
            *_together("start_timers", activity),
        )


def _together(command: str, changes: Sequence[tuple[Unit, Change]]) -> tuple[Change, ...]:
    """Give the first of several changes a script that makes all of them."""
    script = " ".join((command, *(shlex.quote(unit.name) for unit, _ in changes)))
    return tuple(replace(change, script="" if index else script) for index, (_, change) in enumerate(changes))
