"""Clocks: where certificates are made, renewed or judged, a host and the controller must agree on the time."""

from __future__ import annotations

from datetime import timedelta

from phoenix.converge import Change, Observation, Probe
from phoenix.errors import TaskFailedError
from phoenix.pki.x509.validity import format_remaining

TOLERANCE = timedelta(seconds=60)
"""The authority lets a certificate begin a minute before it is made, and takes tokens that are a minute early."""


class Clock:
    """The host's clock as a resource that cannot be changed, only be right or wrong."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the time, in seconds since the epoch."""
        return (Probe("command", "clock", "date +%s"),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Refuse to go on where the clocks differ: what looks expired may be good, what is made not yet valid."""
        said = seen.outputs.get("clock", "").strip()
        if not said or not seen.at:
            return ()
        ahead = timedelta(seconds=int(said) - seen.at)
        if abs(ahead) <= TOLERANCE:
            return ()
        where = "ahead of" if ahead > timedelta() else "behind"
        raise TaskFailedError(
            f"its clock is {format_remaining(abs(ahead))} {where} the controller's, and certificates depend on it: "
            "see `timedatectl` on both and correct the wrong one. Nothing was changed here"
        )
