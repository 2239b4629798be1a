"""Entries of a node's lists of guests become statuses."""

from __future__ import annotations

from typing import Any

import pytest

from phoenix.pve.guests import GuestKind, GuestStatus, read_guests

LISTED = {"vmid": "120", "name": "app", "status": "running", "tags": "phoenix;prod", "lock": "backup"}
TAGS = ("phoenix", "prod")


@pytest.mark.parametrize(
    ("edits", "kind", "expected"),
    [
        ({}, "lxc", GuestStatus(120, "app", "lxc", "running", TAGS, "node", "backup")),
        ({}, "vm", GuestStatus(120, "app", "vm", "running", TAGS, "node", "backup")),
        ({"tags": "", "lock": None}, "lxc", GuestStatus(120, "app", "lxc", "running", (), "node")),
        ({"status": "stopped", "lock": ""}, "lxc", GuestStatus(120, "app", "lxc", "stopped", TAGS, "node")),
    ],
)
def test_entry(edits: dict[str, Any], kind: GuestKind, expected: GuestStatus) -> None:
    """The kind and the node are those of the list; the guest runs only if its status is `running`."""
    (guest,) = read_guests([{**LISTED, **edits}], kind, "node")
    assert guest == expected
    assert guest.is_running == (expected.status == "running")


def test_bare_entry() -> None:
    """An entry with nothing but its id is a guest of unknown status, which does not run."""
    assert list(read_guests([{"vmid": 121}], "lxc", "node")) == [GuestStatus(121, "", "lxc", "", (), "node")]
