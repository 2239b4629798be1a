"""Guests that are missing on their node and run on another one are named with the key to correct."""

from __future__ import annotations

from typing import Any

import pytest

from phoenix.derive.ownership import owner_tag
from phoenix.pve.placement.moved import moved_guests
from tests.support.estates import estate, guest

APP = guest("app", 20)
SMALL = estate(APP)
OWN = owner_tag(SMALL, 120)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"vmid": 120, "node": "node", "tags": OWN}, None),
        ({"vmid": 121, "node": "far", "tags": OWN}, None),
        (
            {"vmid": 120, "node": "far", "tags": f"phoenix;{OWN}", "status": "unknown"},
            (
                "guest 120 app is on the node far, and not on node: declare that node and correct `hypervisor`, "
                "or move it back with `pct migrate 120 node`"
            ),
        ),
        (
            {"vmid": 120, "node": "far", "name": "wiki"},
            "vmid 120 is a guest 'wiki' on the node far: give app another vmid",
        ),
        ({"vmid": 120, "node": "far"}, "vmid 120 is a guest on the node far: give app another vmid"),
    ],
)
def test_moved(entry: dict[str, Any], says: str | None) -> None:
    """A moved guest of this estate, and a guest of another owner, are told apart; late statistics are no problem."""
    assert list(moved_guests(SMALL, SMALL.hypervisors[0], (APP,), (entry,))) == ([says] if says else [])


def test_hypervisor_to_declare() -> None:
    """Where the other node is declared, the message names its host."""
    other = SMALL.hypervisors[0].model_copy(update={"name": "pve2", "node": "far"})
    made = SMALL.model_copy(update={"hypervisors": (*SMALL.hypervisors, other)})
    (text,) = moved_guests(made, made.hypervisors[0], (APP,), ({"vmid": 120, "node": "far", "tags": OWN},))
    assert "correct `hypervisor` to pve2, or" in text
