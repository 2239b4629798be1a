"""The first disk of a guest: its size and storage, and what of it differs from the inventory. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phoenix.estate import Estate, Machine
from phoenix.pve.properties import parse


def disk_of(machine: Machine) -> str:
    """The option that holds the machine's first disk."""
    return "rootfs" if machine.kind == "lxc" else "scsi0"


def disk_size(machine: Machine, config: Mapping[str, str]) -> float:
    """Size of the machine's first disk in GiB; 0 if it has none."""
    return gibibytes(parse(config.get(disk_of(machine), "")).get("size", "0G"))


def least_disk(estate: Estate, machine: Machine) -> int:
    """The size in GiB that the machine's first disk gets: a clone has at least that of its template."""
    origin = estate.host(machine.clone_of) if machine.clone_of else None
    return max(machine.disk, least_disk(estate, origin)) if isinstance(origin, Machine) else machine.disk


def disk_notes(estate: Estate, machine: Machine, config: Mapping[str, str]) -> Iterator[str]:
    """What of the disk differs and cannot be changed in place."""
    size, volume = disk_size(machine, config), parse(config.get(disk_of(machine), "")).get("", "")
    if size > least_disk(estate, machine):
        yield f"its disk has {size:g} GiB, declared are {machine.disk}; no disk shrinks in place: declare {size:g}"
    storage = volume.partition(":")[0]
    if storage and storage != machine.storage:
        yield f"its disk is on storage {storage}, declared is {machine.storage}; move it with Proxmox VE, or correct it"


def gibibytes(size: str) -> float:
    """Read a size of Proxmox VE (`512M`, `16G`, or bytes) in GiB."""
    units = {"K": 2**-20, "M": 2**-10, "G": 1, "T": 2**10}
    return float(size[:-1]) * units[size[-1]] if size[-1:] in units else float(size or 0) / 2**30
