"""Timers with the services that they start: many on one host, told to systemd together."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from phoenix.converge.change import Change
from phoenix.converge.observe import Observation, Probe
from phoenix.converge.units import Unit


@dataclass(frozen=True)
class Timers:
    """Units that are written, enabled and started as one: systemd reads all of its units anew each time it is told."""

    units: tuple[Unit, ...]

    def probes(self) -> tuple[Probe, ...]:
        """Ask for each of them."""
        return tuple(probe for unit in self.units for probe in unit.probes())

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """All files first, then one word to systemd, then what is to be enabled, started and started anew."""
        files = [change for unit in self.units if unit.file for change in unit.file.changes(seen)]
        changed = {unit.name for unit in self.units if unit.file and unit.file.changes(seen)}
        reload = Change("units", "reload", script="systemctl daemon-reload", guard=True)
        enabled = [change for unit in self.units for change in unit.enablement(seen)]
        told = [change for unit in self.units for change in unit.activity(seen, restart=unit.name in changed)]
        return (
            *files,
            *((reload,) if files else ()),
            *_together("enable --quiet", enabled),
            *_together("restart", told),
        )


def _together(verb: str, changes: Sequence[Change]) -> tuple[Change, ...]:
    """Give the first of several changes a script that makes them all."""
    names = " ".join(shlex.quote(change.resource.removeprefix("unit ")) for change in changes)
    script = f"timeout 120 systemctl {verb} {names}"
    return tuple(replace(change, script="" if index else script) for index, change in enumerate(changes))
