"""Timers and the services that they start: many units of one host in few systemctl commands."""

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
    """Units that are written, enabled and started together.

    A daemon-reload takes systemd as long as everything else together. It runs only if a loaded unit changed; systemd
    reads a new unit when the unit is started (systemd.unit(5): units are loaded when they are needed).
    """

    units: tuple[Unit, ...]

    def probes(self) -> tuple[Probe, ...]:
        """Query each of the units."""
        return tuple(probe for unit in self.units for probe in unit.probes())

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write all files, then reload systemd if necessary, then enable, start and restart units."""
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
            *_merge("timeout 120 systemctl enable --quiet --no-reload", enabled),
            *_merge("start_timers", activity),
        )


def _merge(command: str, changes: Sequence[tuple[Unit, Change]]) -> tuple[Change, ...]:
    """Replace the scripts of several changes by one that makes all of them, in the first change."""
    script = " ".join((command, *(shlex.quote(unit.name) for unit, _ in changes)))
    return tuple(replace(change, script="" if index else script) for index, (_, change) in enumerate(changes))
