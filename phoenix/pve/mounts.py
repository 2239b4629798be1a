"""Mount points of a container: which to set, which to remove, and which are not ours. Pure.

Source: pct.conf(5), `mp[n]`. A mount point is identified by what it is, never by its index: a bind mount of a directory
below the guest's own persistent directory is Phoenix's; every other one is somebody else's and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from phoenix.derive.storage import BindMount
from phoenix.pve.properties import parse, property_differences

MOUNT_KEY = re.compile(r"mp\d+")
TARGET = "mp"


@dataclass(frozen=True)
class MountPlan:
    """Options to set, options to remove, and targets that foreign mount points occupy (by target, its option).

    `replaced` are the options that exist and are set to another value: a running container takes them at a restart.
    """

    sets: Mapping[str, str] = field(default_factory=dict)
    removals: tuple[str, ...] = ()
    occupied: Mapping[str, str] = field(default_factory=dict)
    replaced: tuple[str, ...] = ()


def plan_mounts(
    wanted: Sequence[BindMount], config: Mapping[str, str], own: str, taken: Iterable[str] = ()
) -> MountPlan:
    """Compare the mount points of a container; `own` is the directory below which bind mounts are ours.

    `taken` are further options that no new mount may use, because they wait for their removal.
    """
    present = {key: value for key, value in config.items() if MOUNT_KEY.fullmatch(key)}
    ours = {key: value for key, value in present.items() if volume_of(value).startswith(f"{own}/")}
    foreign = {parse(value).get(TARGET, ""): f"{key} ({value})" for key, value in present.items() if key not in ours}
    kept, missing = _matched(wanted, ours)
    spare = {parse(ours[key]).get(TARGET, ""): key for key in sorted(ours) if key not in kept}
    free = (f"mp{index}" for index in count() if f"mp{index}" not in {*present, *taken})
    sets = {spare.pop(mount.target, "") or next(free): mount.value for mount in missing}
    removals = tuple(sorted(set(ours) - kept - set(sets)))
    occupied = {mount.target: foreign[mount.target] for mount in wanted if mount.target in foreign}
    return MountPlan(sets, removals, occupied, tuple(sorted(set(sets) & set(ours))))


def foreign_volumes(config: Mapping[str, str], root: str) -> Iterator[str]:
    """Options that hold a volume beside the guest's first disk: destroying the guest would destroy them too."""
    for key, value in sorted(config.items()):
        volume = volume_of(value)
        is_disk = re.fullmatch(r"(mp|unused|scsi|virtio|sata|ide|efidisk|tpmstate)\d+", key)
        is_own = key == root or "cloudinit" in volume or "media=cdrom" in value
        if is_disk and not is_own and ":" in volume:
            yield f"{key} ({volume})"


def volume_of(value: str) -> str:
    """The volume or directory of a mount point or drive, in each of its notations."""
    properties = parse(value)
    return next((properties[key] for key in ("", "volume", "file") if properties.get(key)), "")


def _matched(wanted: Sequence[BindMount], ours: Mapping[str, str]) -> tuple[set[str], list[BindMount]]:
    """The options that are as wanted, each for one mount, and the mounts without one."""
    kept: set[str] = set()
    missing = []
    for mount in wanted:
        unused = (key for key in sorted(ours) if key not in kept)
        key = next((key for key in unused if not property_differences(key, mount.value, ours[key])), None)
        if key is None:
            missing.append(mount)
        else:
            kept.add(key)
    return kept, missing
