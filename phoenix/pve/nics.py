"""Network interfaces of a guest that the inventory does not declare. Pure.

Source: pct.conf(5), qm.conf(5), `net[n]`. Proxmox filters an interface only with `firewall=1`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from phoenix.pve.properties import parse

NIC_KEY = re.compile(r"net\d+")
DECLARED = "net0"


@dataclass(frozen=True)
class UndeclaredNic:
    """An interface beside the declared one: its option, its bridge, and whether the firewall filters it."""

    key: str
    bridge: str
    is_filtered: bool


def undeclared_nics(config: Mapping[str, str]) -> tuple[UndeclaredNic, ...]:
    """Find the interfaces that the inventory does not declare."""
    found = {key: parse(value) for key, value in sorted(config.items()) if NIC_KEY.fullmatch(key) and key != DECLARED}
    return tuple(
        UndeclaredNic(key, nic.get("bridge", "no bridge"), nic.get("firewall") == "1") for key, nic in found.items()
    )
