"""Timers: one enable and one restart command for any number of units."""

from __future__ import annotations

from phoenix.conventions import SYSTEMD
from phoenix.converge import Observation, Timers, Unit
from phoenix.converge.observe import FileStat, UnitState

PAIR = (Unit("a.service", "[Service]\n", enabled=None, active=None), Unit("a.timer", "[Timer]\n"))
MORE = (*PAIR, Unit("b.service", "[Service]\n", enabled=None, active=None), Unit("b.timer", "[Timer]\n"))
CONVERGED = Observation(
    stats={f"{SYSTEMD}/{unit.name}": FileStat("regular file", "0644", "root:root", 10, 0) for unit in PAIR},
    contents={f"{SYSTEMD}/{unit.name}": (unit.content or "").encode() for unit in PAIR},
    units={"a.timer": UnitState("loaded", "active", "enabled", reload_needed=False)},
)


def scripts(timers: Timers, seen: Observation) -> list[str]:
    """List the scripts of the changes, except those that write files."""
    return [change.script for change in timers.changes(seen) if change.script and not change.script.startswith("put ")]


def test_all_new() -> None:
    """New units are written, enabled and started by one command each, without a daemon-reload."""
    unknown = UnitState("not-found", "inactive", "", reload_needed=False)
    assert scripts(Timers(MORE), Observation(units={"a.timer": unknown, "b.timer": unknown})) == [
        "timeout 120 systemctl enable --quiet --no-reload a.timer b.timer",
        "start_timers a.timer b.timer",
    ]


def test_no_difference() -> None:
    """A converged host has no changes."""
    assert Timers(PAIR).changes(CONVERGED) == ()


def test_one_more() -> None:
    """Only new units are enabled and started, and each of their changes is reported."""
    changes = Timers(MORE).changes(CONVERGED)
    assert [str(change) for change in changes if not change.guard] == [
        f"create file {SYSTEMD}/b.service",
        f"create file {SYSTEMD}/b.timer",
        "enable unit b.timer",
        "start unit b.timer: is absent",
    ]


def test_settings_changed() -> None:
    """A timer with a changed file is restarted after a daemon-reload."""
    timer = Timers((PAIR[0], Unit("a.timer", "[Timer]\nOnActiveSec=1\n")))
    assert scripts(timer, CONVERGED) == ["systemctl daemon-reload", "start_timers a.timer"]
