"""Where things are in Proxmox's API."""

from __future__ import annotations

from phoenix.estate import Estate, Machine


def path_of(estate: Estate, machine: Machine) -> str:
    """A guest's or template's place."""
    kind = "qemu" if machine.kind == "vm" else "lxc"
    return f"nodes/{estate.hypervisor_of(machine).node}/{kind}/{machine.vmid}"
