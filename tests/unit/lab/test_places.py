"""The lab's names and addresses: unique per lab, and equal in Python and in the scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phoenix.directories import DEFAULT_LAB, ROOT_CACHE
from phoenix.lab import places
from phoenix.lab.internet.names import ADDRESSES, NAMES
from phoenix.lab.places import CODE, LabPlaces

pytestmark = pytest.mark.timeout(30)


def test_addresses_agree() -> None:
    """The network script gives `internet` every address of its names, and each machine its own address."""
    script = (CODE / "inside/network").read_text()
    line = re.search(r"for address in (.*); do", script)
    assert line is not None
    assert set(line[1].split()) == set(ADDRESSES) >= set(NAMES.values())
    for address in (places.HYPERVISOR, places.INTERNET, places.OPERATOR):
        assert address in script
    assert places.CLIENT in (CODE / "inside/client").read_text()


def test_names_of_labs() -> None:
    """A lab in another directory has another container name and lock, so that two labs can run at once."""
    default = LabPlaces(DEFAULT_LAB, ROOT_CACHE)
    other = LabPlaces(Path("/srv/lab"), ROOT_CACHE)
    assert default.name == "phoenix-lab-pve"
    assert other.name != default.name
    assert other.lock != default.lock
