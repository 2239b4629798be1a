"""Estate → directories and exports on the hypervisor that outlive the guests using them."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.estate import Estate, Guest, Hypervisor, Mount

SHIFT = 100_000
"""First id of the hypervisor that an unprivileged container's ids are mapped to (pct.conf(5))."""


@dataclass(frozen=True)
class StorageDirectory:
    """A directory of the hypervisor, with the owner's ids as the hypervisor counts them."""

    path: str
    uid: int
    gid: int
    mode: str


@dataclass(frozen=True)
class Export:
    """A directory offered by NFS to one address (exports(5))."""

    path: str
    client: str
    options: str = "rw,sync,no_subtree_check,no_root_squash"

    @property
    def line(self) -> str:
        """The export as a line of exports(5)."""
        return f"{self.path} {self.client}({self.options})"


def mount_path(hypervisor: Hypervisor, guest: Guest, mount: Mount) -> str:
    """Where a container's mount lies on the hypervisor."""
    return f"{hypervisor.guest_storage}/{guest.vmid}/{mount.source}"


def volume_path(hypervisor: Hypervisor, guest: Guest) -> str:
    """Where a virtual machine's persistent storage lies on the hypervisor."""
    return f"{hypervisor.vm_storage}/{guest.vmid}"


def directories(estate: Estate, hypervisor: Hypervisor) -> tuple[StorageDirectory, ...]:
    """Every persistent directory of a hypervisor, parents first."""
    found: dict[str, StorageDirectory] = {}
    for guest in estate.guests:
        if guest.hypervisor != hypervisor.name:
            continue
        if guest.mounts:
            parent = f"{hypervisor.guest_storage}/{guest.vmid}"
            found[parent] = StorageDirectory(parent, 0, 0, "0755")
        for mount in guest.mounts:
            shift = SHIFT if guest.unprivileged else 0
            uid, gid = (int(part) + shift for part in mount.owner.split(":"))
            path = mount_path(hypervisor, guest, mount)
            found[path] = StorageDirectory(path, uid, gid, mount.mode)
        if guest.persistent_storage:
            path = volume_path(hypervisor, guest)
            found[path] = StorageDirectory(path, 0, 0, "0755")
    return tuple(found.values())


def exports(estate: Estate, hypervisor: Hypervisor) -> tuple[Export, ...]:
    """Every NFS export of a hypervisor: each virtual machine's storage, to that machine alone."""
    return tuple(
        Export(volume_path(hypervisor, guest), str(guest.address))
        for guest in estate.guests
        if guest.hypervisor == hypervisor.name and guest.persistent_storage
    )
