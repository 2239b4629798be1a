"""Estate → the configuration of guests, as options of the Proxmox VE API (pct.conf(5), qm.conf(5))."""

from __future__ import annotations

from phoenix.derive.ownership import MARK, owner_tag
from phoenix.derive.storage import BindMount, mount_path
from phoenix.estate import Estate, Guest, Machine, Template

OPTIONAL = ("startup",)
"""Options of a guest that are removed if the inventory does not declare them."""


def options(estate: Estate, machine: Machine) -> dict[str, str]:
    """Derive the options of a guest that the API token may set, in the API's notation.

    Property strings such as `net0` contain only what the inventory declares. Proxmox adds properties, so parse them
    before a comparison.
    """
    derived = {"memory": str(machine.memory), "cores": str(machine.cores), "tags": ";".join(tags(estate, machine))}
    if machine.kind == "lxc":
        derived |= {"hostname": machine.name, "swap": str(machine.swap)}
    else:
        derived |= {"name": machine.name, "agent": "1"}
    if isinstance(machine, Guest):
        derived |= {"onboot": "1", **_startup(machine), **_network(estate, machine)}
    return derived


def tags(estate: Estate, machine: Machine) -> tuple[str, ...]:
    """The tags of a guest: Phoenix's, its owner's and the inventory's, in lower case, sorted as by Proxmox."""
    return tuple(sorted({MARK, owner_tag(estate, machine.vmid), *(tag.lower() for tag in machine.tags)}))


def bind_mounts(estate: Estate, guest: Guest) -> tuple[BindMount, ...]:
    """The bind mounts of a container; only root on the node may set them."""
    hypervisor = estate.hypervisor_of(guest)
    return tuple(BindMount(mount_path(hypervisor, guest, mount), mount.target) for mount in guest.mounts)


def creation(machine: Template | Guest) -> dict[str, str]:
    """The parameters that create a guest or template that is not a clone."""
    if machine.kind == "lxc":
        return {
            "ostemplate": machine.ostemplate or "",
            "rootfs": f"{machine.storage}:{machine.disk}",
            "unprivileged": "1" if machine.unprivileged else "0",
            "features": "nesting=1",
        }
    return {
        "scsihw": "virtio-scsi-pci",
        "scsi0": f"{machine.storage}:0,import-from={machine.disk_image}",
        "ide2": f"{machine.storage}:cloudinit",
        "boot": "order=scsi0",
        "serial0": "socket",
        "ostype": "l26",
    }


def mac_of(vmid: int) -> str:
    """Derive a locally administered MAC address from the vmid, so that a recreated guest keeps its address."""
    digits = f"{vmid & 0xFFFFFF:06X}"
    return f"02:50:58:{digits[0:2]}:{digits[2:4]}:{digits[4:6]}"


def _startup(guest: Guest) -> dict[str, str]:
    return {"startup": f"order={guest.startup.order},up={guest.startup.delay}"} if guest.startup else {}


def _network(estate: Estate, guest: Guest) -> dict[str, str]:
    hypervisor, network = estate.hypervisor_of(guest), estate.settings.network
    address = f"ip={guest.address}/{network.subnet.prefixlen},gw={network.gateway}"
    resolver = {"nameserver": str(hypervisor.guest_resolver), "searchdomain": estate.zone}
    mac = guest.mac or mac_of(guest.vmid)
    if guest.kind == "lxc":
        return resolver | {"net0": f"name=eth0,bridge={hypervisor.bridge},firewall=1,type=veth,{address},hwaddr={mac}"}
    return resolver | {
        "net0": f"virtio={mac},bridge={hypervisor.bridge},firewall=1",
        "ipconfig0": address,
        "ciuser": guest.user,
    }
