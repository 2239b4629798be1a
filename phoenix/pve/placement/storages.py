"""Storages of a node, compared with what guests that are to be created need there. Pure.

Source: Proxmox VE API, GET /nodes/{node}/storage and …/{storage}/content, which lists only enabled content types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from phoenix.estate.model import Estate, Machine

DISK_CONTENT = {"lxc": "rootdir", "vm": "images"}
THICK = ("lvm", "iscsi", "iscsidirect")
"""Types of storages that allocate a disk in full; the others allocate what is written."""
GIB = 2**30
MIN_FREE_GIB = 1
"""Free space that a new disk needs at least: what a template contains."""


@dataclass(frozen=True)
class NodeStorage:
    """A storage as a node reports it; `free` is in bytes, None if it is not known; nodes see a shared one together."""

    name: str
    kind: str
    content: frozenset[str]
    is_active: bool
    free: int | None
    is_shared: bool = False


@dataclass(frozen=True)
class StoredFile:
    """A file from which machines are created: its volume, its storage and the content type that lists it."""

    volume: str
    storage: str
    content: str
    machines: tuple[str, ...]


def read_storages(listed: Iterable[Mapping[str, Any]]) -> dict[str, NodeStorage]:
    """Read the list of a node's storages, by name."""
    return {storage.name: storage for storage in map(_read_storage, listed)}


def needed_files(absent: Iterable[Machine]) -> tuple[StoredFile, ...]:
    """Find the templates and images from which absent machines are to be created."""
    machines: dict[str, list[str]] = {}
    for machine in absent:
        if volume := machine.ostemplate or machine.disk_image:
            machines.setdefault(volume, []).append(machine.name)
    return tuple(
        StoredFile(volume, volume.partition(":")[0], _content_of(volume), tuple(names))
        for volume, names in sorted(machines.items())
    )


def storage_problems(
    where: str, storages: Mapping[str, NodeStorage], absent: Iterable[Machine], files: Iterable[StoredFile]
) -> Iterator[str]:
    """Compare the storages with what absent machines, and the files they are made from, need."""
    disks: dict[str, list[Machine]] = {}
    for machine in absent:
        disks.setdefault(machine.storage, []).append(machine)
    contents: dict[str, set[str]] = {name: {DISK_CONTENT[m.kind] for m in made} for name, made in disks.items()}
    for file in files:
        contents.setdefault(file.storage, set()).add(file.content)
    for name, needed in sorted(contents.items()):
        if (storage := storages.get(name)) is None:
            yield f"{where}: there is no storage {name!r} (there is {', '.join(sorted(storages)) or 'none'})"
        elif not storage.is_active:
            yield f"{where}: the storage {name} is not active: `pvesm status` on the node; enable or mount it"
        else:
            yield from _content_problems(where, storage, needed)
            yield from _space_problems(where, storage, disks.get(name, ()))


def clone_problems(
    where: str, estate: Estate, storages: Mapping[str, NodeStorage], absent: Iterable[Machine]
) -> Iterator[str]:
    """Find clones of another node's template whose disks are not on storages that both nodes share."""
    for machine in absent:
        origin = estate.host(machine.clone_of) if machine.clone_of else None
        if not isinstance(origin, Machine) or origin.hypervisor == machine.hypervisor:
            continue
        for name in sorted({origin.storage, machine.storage}):
            if name in storages and not storages[name].is_shared:
                yield (
                    f"{where}: {machine.name} is a clone of {origin.name} on {origin.hypervisor}, and the storage "
                    f"{name} is not shared: declare a template on {machine.hypervisor}, or use a shared storage"
                )


def missing_file(where: str, file: StoredFile, volumes: Iterable[str]) -> Iterator[str]:
    """Say so if a file is not among the volumes of its storage."""
    if file.volume not in volumes:
        made = ", ".join(file.machines)
        yield f"{where}: {file.volume} is not there, and {made} would be made from it: download it to its storage"


def is_listed(file: StoredFile, storages: Mapping[str, NodeStorage]) -> bool:
    """Report whether the file's storage would list the file, so that it is known whether it is there."""
    storage = storages.get(file.storage)
    return storage is not None and storage.is_active and file.content in storage.content


def _content_of(volume: str) -> str:
    """The content type of a volume: the folder in its name, or `images` for a disk without one."""
    folder, slash, _ = volume.partition(":")[2].partition("/")
    return folder if slash and not folder.isdigit() else "images"


def _content_problems(where: str, storage: NodeStorage, needed: Iterable[str]) -> Iterator[str]:
    lacking = sorted(set(needed) - storage.content)
    if lacking:
        command = f"pvesm set {storage.name} --content {','.join(sorted(storage.content | set(lacking)))}"
        yield f"{where}: the storage {storage.name} does not hold {' and '.join(lacking)}: `{command}` on the node"


def _space_problems(where: str, storage: NodeStorage, disks: Iterable[Machine]) -> Iterator[str]:
    made = tuple(disks)
    needed = sum(machine.disk if storage.kind in THICK else MIN_FREE_GIB for machine in made)
    if storage.free is not None and storage.free < needed * GIB:
        names = ", ".join(machine.name for machine in made)
        yield (
            f"{where}: the storage {storage.name} has {storage.free / GIB:.1f} GiB free, and {names} need at least "
            f"{needed} GiB: make room, or give them another `storage`"
        )


def _read_storage(entry: Mapping[str, Any]) -> NodeStorage:
    content = frozenset(filter(None, str(entry.get("content", "")).split(",")))
    is_active = bool(int(entry.get("active", 1))) and bool(int(entry.get("enabled", 1)))
    free = entry.get("avail")
    return NodeStorage(
        str(entry["storage"]),
        str(entry.get("type", "")),
        content,
        is_active,
        None if free is None else int(free),
        bool(int(entry.get("shared", 0))),
    )
