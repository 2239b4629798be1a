"""A lab of these tests' own, beside the one that the other tests share: it is killed, rebooted and removed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from phoenix.lab.places import LabPlaces
from tests.system.host.own import OwnLab


@pytest.fixture(scope="session")
def own_lab() -> Iterator[OwnLab]:
    """A lab of its own directory; started by whoever needs it running."""
    usual = LabPlaces.of_environment()
    found = OwnLab(LabPlaces(usual.lab.with_name(f"{usual.lab.name}-tests"), usual.cache))
    found.run("down")
    yield found
    done = found.run("down")
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def running_lab(own_lab: OwnLab) -> OwnLab:
    """The same, running."""
    own_lab.up()
    return own_lab
