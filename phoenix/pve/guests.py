"""Guests as Proxmox VE lists them. Pure.

Source: Proxmox VE API, GET /nodes/{node}/lxc and /nodes/{node}/qemu. They read the state of each guest when they are
asked; GET /cluster/resources lists statistics, which are up to 15 s old and without names while pvestatd is down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

GuestKind = Literal["lxc", "vm"]
GUEST_LISTS: Mapping[GuestKind, str] = {"lxc": "lxc", "vm": "qemu"}
"""The name of a kind in paths of the API."""


@dataclass(frozen=True)
class GuestStatus:
    """A guest's id, name, kind, node, tags, lock, and its status as Proxmox spells it (`running`, `stopped`, ...)."""

    vmid: int
    name: str
    kind: GuestKind
    status: str
    tags: tuple[str, ...] = ()
    node: str = ""
    lock: str = ""

    @property
    def is_running(self) -> bool:
        """Report whether the guest was running when it was listed."""
        return self.status == "running"


def read_guests(listed: Iterable[Mapping[str, Any]], kind: GuestKind, node: str) -> Iterator[GuestStatus]:
    """Read the list of a node's containers or virtual machines."""
    return (_read_guest(entry, kind, node) for entry in listed)


def _read_guest(entry: Mapping[str, Any], kind: GuestKind, node: str) -> GuestStatus:
    return GuestStatus(
        int(entry["vmid"]),
        str(entry.get("name", "")),
        kind,
        str(entry.get("status", "")),
        split_tags(entry.get("tags")),
        node,
        str(entry.get("lock") or ""),
    )


def split_tags(text: object) -> tuple[str, ...]:
    """Split the tags of a guest; Proxmox separates them by semicolons."""
    return tuple(tag for tag in str(text or "").split(";") if tag)
