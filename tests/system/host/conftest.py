"""Fixtures of the lab's own tests: a lab beside the shared one, which they kill, reboot and remove."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from phoenix.lab.places import LabPlaces
from tests.system.host.own import OwnLab


@pytest.fixture(scope="session")
def own_lab() -> Iterator[OwnLab]:
    """Yield a lab with its own directory, not started."""
    default = LabPlaces.of_environment()
    lab = OwnLab(LabPlaces(default.lab.with_name(f"{default.lab.name}-tests"), default.cache))
    lab.run("down")
    yield lab
    done = lab.run("down")
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def running_lab(own_lab: OwnLab) -> OwnLab:
    """Return the same lab, running."""
    own_lab.up()
    return own_lab
