"""What cannot be corrected in a guest that exists, and the plan of its mount points. Pure.

Sources: pct.conf(5), qm.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from phoenix.derive.guests import bind_mounts
from phoenix.derive.storage import guest_directory
from phoenix.estate import Estate, Guest, Machine, Template
from phoenix.pve.mounts import MountPlan, plan_mounts
from phoenix.pve.nics import undeclared_nics
from phoenix.tasks.hosts.disks import disk_of


def refusals(
    estate: Estate, machine: Machine, options: Mapping[str, str], *, is_unfinished: bool = False
) -> Iterator[str]:
    """Find what cannot be corrected in a machine that exists: preflight reports it before any change.

    `is_unfinished`: its creation was interrupted, so a template may not be one yet.
    """
    if machine.kind == "lxc" and (options.get("unprivileged", "0") == "1") != machine.unprivileged:
        yield "`unprivileged` cannot be changed in place: destroy the guest and deploy it again"
    if not is_unfinished and (options.get("template", "0") == "1") != isinstance(machine, Template):
        kinds = ("a template", "a guest") if isinstance(machine, Guest) else ("a guest", "a template")
        yield f"it is {kinds[0]}, in the inventory {kinds[1]}: give {machine.name} another vmid"
    if disk_of(machine) not in options:
        yield f"its first disk is not {disk_of(machine)}, which Phoenix needs: move it there, or take another vmid"
    if not isinstance(machine, Guest):
        return
    if machine.kind == "vm" and not any("cloudinit" in value or "media=cdrom" in value for value in options.values()):
        yield "it has no cloud-init drive, which sets its address and key: add one with Proxmox VE"
    for nic in undeclared_nics(options):
        if not nic.is_filtered:
            yield (
                f"{nic.key} at {nic.bridge} is not declared, and the firewall does not filter it: "
                f"remove it from guest {machine.vmid}, or set firewall=1 on it"
            )
    if places := "; ".join(
        f"{target} by {key}" for target, key in mount_plan(estate, machine, options).occupied.items()
    ):
        yield f"others' mount points occupy declared paths: {places}; choose another `target`"


def mount_plan(
    estate: Estate, machine: Machine, options: Mapping[str, str], running: Mapping[str, str] = MappingProxyType({})
) -> MountPlan:
    """Plan the mount points of a container; `running` are options that are in effect until its next start."""
    if not isinstance(machine, Guest) or machine.kind != "lxc":
        return MountPlan()
    own = guest_directory(estate.hypervisor_of(machine), machine.vmid)
    return plan_mounts(bind_mounts(estate, machine), options, own, running)
