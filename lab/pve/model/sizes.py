"""Disk sizes in Proxmox's notation. Pure."""

import re

from phoenix.lab.pve.fake import TaskError

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def in_bytes(text: str) -> int:
    """Return the bytes of a size like ``8G`` or ``512M``; raise TaskError if it is invalid."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    if not match:
        raise TaskError(f"invalid size string '{text}'")
    return int(float(match[1]) * _UNITS[match[2]])


def format_size(size: int) -> str:
    """Return a size in the largest unit that divides it."""
    unit = next((u for u in "TGMK" if size and size % _UNITS[u] == 0), "")
    return f"{size // _UNITS[unit]}{unit}"


def size_after_resize(present: str, wanted: str) -> int:
    """Return a disk's bytes after a resize to ``10G`` or by ``+2G``; raise TaskError unless the disk grows."""
    before = in_bytes(present)
    after = before + in_bytes(wanted[1:]) if wanted.startswith("+") else in_bytes(wanted)
    if after < before:
        raise TaskError("shrinking disks is not supported")
    if after == before:
        raise TaskError("disk is already at specified size")
    return after
