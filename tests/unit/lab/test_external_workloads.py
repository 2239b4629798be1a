"""The lab's stand-ins for external workloads are derived from the inventory."""

from __future__ import annotations

import pytest

from phoenix.lab.external_workloads import workloads
from tests.support.places import ROOT


@pytest.mark.timeout(30)
def test_workloads_of_the_example() -> None:
    """The lab runs a stand-in for each model server of the example estate, on the service's port."""
    table = workloads(ROOT / "inventory")
    assert {vmid: [service["port"] for service in services] for vmid, services in table.items()} == {
        "801": [8000],
        "802": [8000],
        "914": [11434],
        "917": [8081],
    }
