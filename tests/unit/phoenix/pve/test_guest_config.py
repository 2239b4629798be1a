"""What runs and what waits for a restart, and which options wait."""

from __future__ import annotations

from typing import Any

import pytest

from phoenix.pve.guest_config import GuestConfig, read_config
from phoenix.pve.guests import GuestKind
from phoenix.pve.restart import waiting_after

NIC = "virtio=02:50:58:00:00:01,bridge=vmbr0,firewall=1"


def test_read() -> None:
    """Values, values that wait, and deletions that wait are told apart; the digest is no option."""
    config = read_config(
        [
            {"key": "cores", "value": 2},
            {"key": "onboot", "value": True},
            {"key": "nameserver", "value": "1.1.1.1", "pending": "10.0.0.53"},
            {"key": "mp1", "value": "/a,mp=/a", "delete": 1},
            {"key": "searchdomain", "pending": "lab.test"},
            {"key": "digest", "value": "77889f"},
        ]
    )
    assert config.running == {"cores": "2", "onboot": "1", "nameserver": "1.1.1.1", "mp1": "/a,mp=/a"}
    assert config.next == {"cores": "2", "onboot": "1", "nameserver": "10.0.0.53", "searchdomain": "lab.test"}
    assert config.waiting == ("mp1", "nameserver", "searchdomain")


@pytest.mark.parametrize(
    ("kind", "sent", "config", "mounts", "waiting"),
    [
        ("lxc", {"memory": "1", "swap": "1", "cores": "1", "tags": "a", "net0": "x"}, ({}, {}), (), ()),
        ("lxc", {"nameserver": "b"}, ({"nameserver": "a"}, {"nameserver": "a"}), (), ("nameserver",)),
        ("lxc", {"nameserver": "a"}, ({"nameserver": "a"}, {"nameserver": "b"}), (), ()),
        ("lxc", {}, ({"nameserver": "a"}, {"nameserver": "b"}), (), ("nameserver",)),
        ("lxc", {"hostname": "b"}, ({"hostname": "a"}, {"hostname": "a"}), (), ("hostname",)),
        ("lxc", {}, ({}, {}), ("mp1",), ("mp1",)),
        ("vm", {"memory": "2", "cores": "2"}, ({"memory": "1"}, {"memory": "1"}), (), ("cores", "memory")),
        (
            "vm",
            {"ipconfig0": "b", "ciuser": "b"},
            ({"ipconfig0": "a"}, {"ipconfig0": "a"}),
            (),
            ("ciuser", "ipconfig0"),
        ),
        ("vm", {"startup": None, "onboot": "1", "tags": "a"}, ({}, {}), (), ()),
        ("vm", {"net0": NIC.replace("vmbr0", "vmbr1")}, ({"net0": NIC}, {"net0": NIC}), (), ()),
        ("vm", {"net0": NIC.replace(":01", ":02")}, ({"net0": NIC}, {"net0": NIC}), (), ("net0",)),
    ],
)
def test_waiting(
    kind: GuestKind,
    sent: dict[str, str | None],
    config: tuple[dict[str, str], dict[str, str]],
    mounts: tuple[str, ...],
    waiting: Any,
) -> None:
    """A plan knows which options need a restart before they are sent."""
    assert waiting_after(kind, sent, GuestConfig(*config), mounts) == waiting
