"""Many timers cost systemd one word each way, however many there are."""

from __future__ import annotations

from phoenix.conventions import SYSTEMD
from phoenix.converge import Observation, Timers, Unit
from phoenix.converge.observe import Stat
from phoenix.converge.observe import Unit as SeenUnit

PAIR = (Unit("a.service", "[Service]\n", enabled=None, active=None), Unit("a.timer", "[Timer]\n"))
MORE = (*PAIR, Unit("b.service", "[Service]\n", enabled=None, active=None), Unit("b.timer", "[Timer]\n"))
SOUND = Observation(
    stats={f"{SYSTEMD}/{unit.name}": Stat("regular file", "0644", "root:root", 10, 0) for unit in PAIR},
    contents={f"{SYSTEMD}/{unit.name}": (unit.content or "").encode() for unit in PAIR},
    units={"a.timer": SeenUnit("loaded", "active", "enabled", reload_needed=False)},
)


def scripts(timers: Timers, seen: Observation) -> list[str]:
    """What would be run besides the writing of files."""
    return [change.script for change in timers.changes(seen) if change.script and not change.script.startswith("put ")]


def test_all_new() -> None:
    """Files, one enabling, one start: units that systemd does not know it reads when they are started."""
    unknown = SeenUnit("not-found", "inactive", "", reload_needed=False)
    assert scripts(Timers(MORE), Observation(units={"a.timer": unknown, "b.timer": unknown})) == [
        "timeout 120 systemctl enable --quiet --no-reload a.timer b.timer",
        "start_timers a.timer b.timer",
    ]


def test_nothing_to_do() -> None:
    """What is as it should be is left alone."""
    assert Timers(PAIR).changes(SOUND) == ()


def test_one_more() -> None:
    """Only what is new is enabled and started, and each change is told by itself."""
    found = Timers(MORE).changes(SOUND)
    assert [str(change) for change in found if not change.guard] == [
        f"create file {SYSTEMD}/b.service",
        f"create file {SYSTEMD}/b.timer",
        "enable unit b.timer",
        "start unit b.timer: is absent",
    ]


def test_settings_changed() -> None:
    """A timer whose file changed is started anew; one that only starts a changed service is not."""
    timer = Timers((PAIR[0], Unit("a.timer", "[Timer]\nOnActiveSec=1\n")))
    assert scripts(timer, SOUND) == ["systemctl daemon-reload", "start_timers a.timer"]
