"""Addresses of guests to be created at which another machine answers are named with its MAC address."""

from __future__ import annotations

from ipaddress import IPv4Address

from phoenix.pve.placement.neighbors import read_neighbors, taken_addresses

TEXT = """10.0.0.60 dev vmbr0 lladdr 52:54:00:aa:bb:cc REACHABLE
10.0.0.61 dev vmbr0  FAILED
"""


def test_taken() -> None:
    """An address that answers is a problem; one that does not is free."""
    wanted = {IPv4Address("10.0.0.60"): "wiki", IPv4Address("10.0.0.61"): "db", IPv4Address("10.0.0.62"): "app"}
    (problem,) = taken_addresses("pve", wanted, read_neighbors(TEXT))
    assert "pve: 10.0.0.60 (wiki) is in use: the MAC address 52:54:00:AA:BB:CC answers for it on vmbr0" in problem
