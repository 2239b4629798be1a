"""Estate → the directories and NFS exports of a hypervisor, which outlive the guests that use them."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.estate import Estate, Guest, Hypervisor, Mount

SHIFT = 100_000
"""The hypervisor's id to which id 0 of an unprivileged container is mapped (pct.conf(5))."""


@dataclass(frozen=True)
class StorageDirectory:
    """A directory of the hypervisor; `uid` and `gid` are ids of the hypervisor, `mode` is octal."""

    path: str
    uid: int
    gid: int
    mode: str


@dataclass(frozen=True)
class Export:
    """A directory that is exported by NFS to one address (exports(5))."""

    path: str
    client: str
    options: str = "rw,sync,no_subtree_check,no_root_squash"

    @property
    def line(self) -> str:
        """The export as a line of exports(5)."""
        return f"{self.path} {self.client}({self.options})"


@dataclass(frozen=True)
class BindMount:
    """A directory of the hypervisor at a path of a container."""

    source: str
    target: str

    @property
    def value(self) -> str:
        """The mount point as an option of the container (pct.conf(5))."""
        return f"{self.source},mp={self.target}"


def guest_directory(hypervisor: Hypervisor, vmid: int) -> str:
    """The directory of a hypervisor that holds what is mounted in one container."""
    return f"{hypervisor.guest_storage}/{vmid}"


def mount_path(hypervisor: Hypervisor, guest: Guest, mount: Mount) -> str:
    """The path of a container's bind mount on the hypervisor."""
    return f"{guest_directory(hypervisor, guest.vmid)}/{mount.source}"


def volume_path(hypervisor: Hypervisor, guest: Guest) -> str:
    """The path of a virtual machine's persistent storage on the hypervisor."""
    return f"{hypervisor.vm_storage}/{guest.vmid}"


def directories(estate: Estate, hypervisor: Hypervisor) -> tuple[StorageDirectory, ...]:
    """Derive every persistent directory of a hypervisor, parents first."""
    by_path: dict[str, StorageDirectory] = {}
    for guest in estate.guests:
        if guest.hypervisor != hypervisor.name:
            continue
        if guest.mounts:
            parent = guest_directory(hypervisor, guest.vmid)
            by_path[parent] = StorageDirectory(parent, 0, 0, "0755")
        for mount in guest.mounts:
            shift = SHIFT if guest.unprivileged else 0
            uid, gid = (int(part) + shift for part in mount.owner.split(":"))
            path = mount_path(hypervisor, guest, mount)
            by_path[path] = StorageDirectory(path, uid, gid, mount.mode)
        if guest.persistent_storage:
            path = volume_path(hypervisor, guest)
            by_path[path] = StorageDirectory(path, 0, 0, "0755")
    return tuple(by_path.values())


def exports(estate: Estate, hypervisor: Hypervisor) -> tuple[Export, ...]:
    """Derive every NFS export of a hypervisor: the storage of each virtual machine, to that machine only."""
    return tuple(
        Export(volume_path(hypervisor, guest), str(guest.address))
        for guest in estate.guests
        if guest.hypervisor == hypervisor.name and guest.persistent_storage
    )
