"""Resources behind a mount are compared only while the mount is right."""

from __future__ import annotations

import pytest

from phoenix.converge import BehindMount, File, Observation
from phoenix.converge.observe import UnitState

UNIT = "srv.mount"
INNER = File("/srv/app.conf", "text\n")


@pytest.mark.parametrize(
    ("load", "active", "is_compared"),
    [
        ("loaded", "active", True),
        ("loaded", "inactive", False),
        ("loaded", "failed", False),
        ("not-found", "inactive", True),
        (None, None, True),
    ],
)
def test_unit_of_a_mount(load: str | None, active: str | None, is_compared: bool) -> None:  # noqa: FBT001 - a column
    """A mount that is stopped hides what is behind it; one that is yet to be written hides nothing."""
    seen = Observation()
    if load and active:
        seen.units[UNIT] = UnitState(load, active, "enabled", reload_needed=False)
    assert bool(BehindMount(INNER, UNIT).changes(seen)) == is_compared


@pytest.mark.parametrize("is_closed", [True, False])
def test_closed_mount(is_closed: bool) -> None:  # noqa: FBT001 - either state
    """A mount that is about to be corrected from outside hides what is behind it."""
    assert bool(BehindMount(INNER, is_closed=lambda: is_closed).changes(Observation())) != is_closed


def test_probes() -> None:
    """The mount's unit is asked for together with the resource."""
    assert {probe.subject for probe in BehindMount(INNER, UNIT).probes()} == {UNIT, INNER.path}
    assert BehindMount(INNER).probes() == INNER.probes()
