"""Paths of the Proxmox VE API."""

from __future__ import annotations

from phoenix.estate import Estate, Machine


def path_of(estate: Estate, machine: Machine) -> str:
    """The API path of a guest or template."""
    kind = "qemu" if machine.kind == "vm" else "lxc"
    return f"nodes/{estate.hypervisor_of(machine).node}/{kind}/{machine.vmid}"
