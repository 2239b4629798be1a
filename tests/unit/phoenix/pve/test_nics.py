"""Interfaces beside the declared one are found, with their bridge and whether they are filtered."""

from __future__ import annotations

from phoenix.pve.nics import UndeclaredNic, undeclared_nics


def test_undeclared() -> None:
    """The first interface is the declared one; other options that begin alike are no interfaces."""
    config = {
        "net0": "bridge=vmbr0",
        "net12": "bridge=vmbr7,firewall=1",
        "net1": "name=eth1",
        "nets": "",
        "nameserver": "",
    }
    assert undeclared_nics(config) == (
        UndeclaredNic("net1", "no bridge", is_filtered=False),
        UndeclaredNic("net12", "vmbr7", is_filtered=True),
    )
