"""Sessions of simulated hosts: answers come from the host, and changes are kept instead of made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from phoenix.converge import Change, HostSession, Observation, Probe, Resource
from phoenix.converge.host_session import probes_of
from tests.support.converged import SimulatedHost


class SimulatedSession(HostSession):
    """`asked` are the probes of each observation, `applied` the changes of each application."""

    def __init__(self, name: str, host: SimulatedHost, failure: Exception | None = None) -> None:
        super().__init__(name, cast("Any", host))
        self.host = host
        self.asked: list[set[Probe]] = []
        self.expected: set[Probe] = set()
        self.applied: list[tuple[Change, ...]] = []
        self._failure = failure

    def expect(self, resources: Iterable[Resource]) -> None:
        """Note what later tasks ask."""
        self.expected |= probes_of(resources)

    def observe(self, resources: Iterable[Resource]) -> Observation:
        """Answer from the host."""
        resources = tuple(resources)
        self.asked.append(probes_of(resources))
        return self.host.observe(resources)

    def apply(self, changes: Sequence[Change]) -> None:
        """Note the changes; fail if this session is made to fail."""
        self.applied.append(tuple(changes))
        if self._failure:
            raise self._failure
