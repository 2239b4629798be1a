"""What every resource can do: say what to ask, and from the answer what must change, without any I/O."""

from __future__ import annotations

from typing import Protocol

from phoenix.converge.change import Change
from phoenix.converge.observe import Observation, Probe


class Resource(Protocol):
    """Something with a desired state."""

    def probes(self) -> tuple[Probe, ...]:
        """What to ask the host."""

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """What differs, in the order in which it is to be put right."""
