"""Guests with a vmid of the inventory that another owner created: refused, or adopted if the operator says so. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from phoenix.derive.ownership import MARK, is_owner_tag, owner_tag, owns
from phoenix.estate import Estate
from phoenix.pve.guests import GuestStatus
from phoenix.pve.marker import read_marker
from phoenix.pve.options import ABSENT
from phoenix.pve.properties import parse

DESCRIPTION = "description"


def is_own(estate: Estate, status: GuestStatus, config: Mapping[str, str]) -> bool:
    """Report whether this estate created or adopted the guest: by its tag, or by the note in its description."""
    note = read_marker(config.get(DESCRIPTION))
    return owns(estate, status.vmid, status.tags) or bool(note and note.owner == owner_tag(estate, status.vmid))


def stranger(estate: Estate, status: GuestStatus, config: Mapping[str, str]) -> str:
    """Describe a guest of another owner: kind, name, status, address, owner; empty for a guest of this estate."""
    if is_own(estate, status, config):
        return ""
    nic = parse(config.get("net0", ""))
    address = parse(config.get("ipconfig0", "")).get("ip") or nic.get("ip") or "no fixed address"
    owner = _owner(status)
    return f"{status.kind} {status.name or ABSENT!r}, {status.status}, {address}, created by {owner}"


def _owner(status: GuestStatus) -> str:
    if any(map(is_owner_tag, status.tags)):
        return "another Phoenix estate"
    return "an earlier version of Phoenix, or another estate" if MARK in status.tags else "no Phoenix estate"
