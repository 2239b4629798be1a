"""The first disk of a guest: its size and storage, and what of it differs from the inventory. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phoenix.estate import Machine
from phoenix.pve.properties import parse


def disk_of(machine: Machine) -> str:
    """The option that holds the machine's first disk."""
    return "rootfs" if machine.kind == "lxc" else "scsi0"


def disk_size(machine: Machine, config: Mapping[str, str]) -> float:
    """Size of the machine's first disk in GiB; 0 if it has none."""
    return gibibytes(parse(config.get(disk_of(machine), "")).get("size", "0G"))


def disk_notes(machine: Machine, config: Mapping[str, str]) -> Iterator[str]:
    """What of the disk differs and cannot be changed in place."""
    size, volume = disk_size(machine, config), parse(config.get(disk_of(machine), "")).get("", "")
    if size > machine.disk:
        yield f"its disk has {size:g} GiB, declared are {machine.disk}; no disk shrinks in place: declare {size:g}"
    storage = volume.partition(":")[0]
    if storage and storage != machine.storage:
        yield f"its disk is on storage {storage}, declared is {machine.storage}; move it with Proxmox VE, or correct it"


def gibibytes(size: str) -> float:
    """Read a size of Proxmox VE (`512M`, `16G`, or bytes) in GiB."""
    units = {"K": 2**-20, "M": 2**-10, "G": 1, "T": 2**10}
    return float(size[:-1]) * units[size[-1]] if size[-1:] in units else float(size or 0) / 2**30
