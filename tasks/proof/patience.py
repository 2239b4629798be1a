"""How long to wait for a route that does not answer yet. Pure."""

from __future__ import annotations

from phoenix.derive.route_probes import RouteProbe
from phoenix.tasks.proof.verdict import PROGRAM_STATES, RouteVerdict

START_SECONDS = 45
"""For a program that this run may have started or restarted."""
SLOW_SECONDS = 15
"""For an answer of a program that accepts connections, and for packets that are dropped on the way to it."""
SETTLE_SECONDS = 5
"""For everything else; after a failure of another host most routes are down."""


def patience(probe: RouteProbe, verdict: RouteVerdict, targets: frozenset[str]) -> float:
    """The seconds after which a verdict is final: short where nothing that this run did can change it."""
    if verdict.state == "answers":
        return 0
    is_program = probe.backend is not None and verdict.at == probe.backend.guest and verdict.state in PROGRAM_STATES
    if verdict.state == "dropped" or (verdict.state == "silent" and not probe.starts):
        return SLOW_SECONDS
    if verdict.at in targets and (probe.starts or not is_program):
        return START_SECONDS
    return 0 if not verdict.is_failure else SETTLE_SECONDS
