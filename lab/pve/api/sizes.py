"""Disk sizes in Proxmox's spelling. Pure."""

import re

from phoenix.lab.pve.fake import TaskError

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def in_bytes(text: str) -> int:
    """The bytes in ``8G``, ``512M`` and the like."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    if not found:
        raise TaskError(f"invalid size string '{text}'")
    return int(float(found[1]) * _UNITS[found[2]])


def written(size: int) -> str:
    """The shortest spelling of a size."""
    unit = next((u for u in "TGMK" if size and size % _UNITS[u] == 0), "")
    return f"{size // _UNITS[unit]}{unit}"


def grown(present: str, wanted: str) -> int:
    """The bytes a disk has after a resize to ``10G`` or by ``+2G``; neither shrinking nor nothing is growth."""
    before = in_bytes(present)
    after = before + in_bytes(wanted[1:]) if wanted.startswith("+") else in_bytes(wanted)
    if after < before:
        raise TaskError("shrinking disks is not supported")
    if after == before:
        raise TaskError("disk is already at specified size")
    return after
