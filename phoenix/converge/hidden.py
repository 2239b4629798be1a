"""Resources behind a mount: while the mount is absent or closed, what is there cannot be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from phoenix.converge.change import Change
from phoenix.converge.observe import Observation, Probe
from phoenix.converge.resource import Resource


@dataclass(frozen=True)
class BehindMount:
    """A resource below a mount. A plan leaves it out while the mount must be corrected first.

    `unit` is the mount's unit, if systemd mounts it; `is_closed` reports that the owner of the mounted directory is
    about to be corrected from outside.
    """

    inner: Resource
    unit: str = ""
    is_closed: Callable[[], bool] = lambda: False

    def probes(self) -> tuple[Probe, ...]:
        """Query the resource, and the mount's unit."""
        return (*((Probe("unit", self.unit),) if self.unit else ()), *self.inner.probes())

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Compare the resource unless it is hidden; a mount whose unit is not there yet hides nothing."""
        return () if self.is_hidden(seen) else self.inner.changes(seen)

    def is_hidden(self, seen: Observation) -> bool:
        """Report whether the mount is known to be absent or closed."""
        unit = seen.units.get(self.unit)
        is_unmounted = unit is not None and unit.load == "loaded" and unit.active != "active"
        return is_unmounted or self.is_closed()
