"""Mounts of a guest: the unit of a machine's storage, and resources that are compared only while a mount is right."""

from __future__ import annotations

from functools import partial

from phoenix.converge import BehindMount, Resource
from phoenix.estate import Guest
from phoenix.run import Run


def mount_unit(path: str) -> str:
    """Name a mount's unit (systemd-escape(1)): `/` becomes `-`, a literal `-` is escaped."""
    return path.strip("/").replace("-", r"\x2d").replace("/", "-") + ".mount"


def behind_mount(run: Run, guest: Guest, path: str, resource: Resource) -> Resource:
    """Wrap a resource at a path below a mount of the guest, so that it is compared only while the mount is right."""
    storage = guest.persistent_storage
    if storage and f"{path}/".startswith(f"{storage}/"):
        return BehindMount(resource, unit=mount_unit(storage))
    for mount in guest.mounts:
        if f"{path}/".startswith(f"{mount.target}/"):
            return BehindMount(resource, is_closed=partial(run.wrong_mounts.__contains__, (guest.name, mount.target)))
    return resource
