"""The protocol of resources: probes → observation → changes, without I/O."""

from __future__ import annotations

from typing import Protocol

from phoenix.converge.change import Change
from phoenix.converge.observe import Observation, Probe


class Resource(Protocol):
    """Something with a desired state."""

    def probes(self) -> tuple[Probe, ...]:
        """The queries about the resource on a host."""

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """The differences, in the order in which they must be corrected."""
