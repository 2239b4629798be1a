"""One guest as the cluster lists it: what exists on Proxmox VE, managed or not.

Source: Proxmox VE API, GET /cluster/resources?type=vm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

GuestKind = Literal["lxc", "vm"]


@dataclass(frozen=True)
class GuestStatus:
    """A guest's id, name, kind, tags, and its status as Proxmox spells it (`running`, `stopped`, ...)."""

    vmid: int
    name: str
    kind: GuestKind
    status: str
    tags: tuple[str, ...] = ()

    @property
    def is_running(self) -> bool:
        """Report whether the guest was running when it was listed."""
        return self.status == "running"


def read_status(listed: Mapping[str, Any]) -> GuestStatus:
    """Read one entry of the list."""
    return GuestStatus(
        int(listed["vmid"]),
        str(listed.get("name", "")),
        "vm" if listed.get("type") == "qemu" else "lxc",
        str(listed.get("status", "")),
        tuple(tag for tag in str(listed.get("tags", "")).split(";") if tag),
    )
