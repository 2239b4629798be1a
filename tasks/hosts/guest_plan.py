"""Observed guest + inventory → what changes on the hypervisor. Pure; `guest` applies it.

Sources: pct.conf(5), qm.conf(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from phoenix.converge import Change, Plan
from phoenix.derive.guests import bind_mounts
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Guest, Machine, Template
from phoenix.pve.properties import differences, format_properties, parse
from phoenix.tasks.firewall.apply import new_guest_changes


@dataclass(frozen=True)
class SeenMachine:
    """A guest or template as Proxmox VE has it: its configuration by option, and whether it runs."""

    config: Mapping[str, Any]
    is_running: bool


@dataclass(frozen=True)
class GuestPlan(Plan):
    """What to do with a guest or template, beside the changes that a person reads.

    `options` and `mounts` are the values to send; `grows` and `starts` say whether the disk grows and the guest starts.
    """

    creates: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    grows: bool = False
    mounts: Mapping[str, str] = field(default_factory=dict)
    starts: bool = False


def plan_machine(
    estate: Estate, machine: Guest | Template, wanted: Mapping[str, str], seen: SeenMachine | None
) -> GuestPlan:
    """Plan a guest or template; `wanted` are its options in the API's spelling, `seen` is None if it does not exist.

    Raises TaskFailedError for a difference that cannot be changed in place.
    """
    starts = isinstance(machine, Guest) and not (seen and seen.is_running)
    start = (Change(title(machine), "start"),) if starts else ()
    if seen is None:
        return GuestPlan((*_creation(estate, machine), *start), creates=True, starts=starts)
    if machine.kind == "lxc" and bool(int(seen.config.get("unprivileged", 0))) != machine.unprivileged:
        raise TaskFailedError("`unprivileged` cannot be changed in place: destroy the guest and deploy it again")
    option_changes = differences(_without_own_address(machine, wanted), seen.config)
    mounts = differences(bind_mounts(estate, machine), seen.config) if isinstance(machine, Guest) else {}
    grows = disk_size(machine, seen.config) < machine.disk
    changes = (
        *(_option_change(machine, key, seen.config.get(key), value) for key, value in option_changes.items()),
        *((Change(title(machine), "update", f"disk grows to {machine.disk} GiB"),) if grows else ()),
        *(Change(title(machine), "update", f"{key} should be {value}") for key, value in mounts.items()),
        *start,
    )
    return GuestPlan(changes, options=option_changes, grows=grows, mounts=mounts, starts=starts)


def plan_removal(machine: Guest | Template, *, exists: bool) -> Plan:
    """Plan the removal of a guest or template."""
    return Plan((Change(title(machine), "remove"),)) if exists else Plan()


def title(machine: Machine) -> str:
    """The machine's title in a plan."""
    return f"guest {machine.vmid} {machine.name}"


def disk_of(machine: Machine) -> str:
    """The option that holds the machine's first disk."""
    return "rootfs" if machine.kind == "lxc" else "scsi0"


def disk_size(machine: Machine, config: Mapping[str, Any]) -> float:
    """Size of the machine's first disk in GiB; 0 if it has none."""
    return gibibytes(parse(str(config.get(disk_of(machine), ""))).get("size", "0G"))


def gibibytes(size: str) -> float:
    """Read a size of Proxmox VE (`512M`, `16G`, or bytes) in GiB."""
    units = {"K": 2**-20, "M": 2**-10, "G": 1, "T": 2**10}
    return float(size[:-1]) * units[size[-1]] if size[-1:] in units else float(size or 0) / 2**30


def _creation(estate: Estate, machine: Guest | Template) -> tuple[Change, ...]:
    origin = f"clone of {machine.clone_of}" if machine.clone_of else f"from {machine.ostemplate or machine.disk_image}"
    create = Change(title(machine), "create", f"{machine.kind}, {origin}")
    return (create, *(new_guest_changes(estate, machine) if isinstance(machine, Guest) else ()))


def _option_change(machine: Machine, key: str, seen: object, wanted: str) -> Change:
    return Change(title(machine), "update", f"{key} is {_shown(seen)}, should be {_shown(wanted)}")


def _shown(value: object) -> str:
    return "absent" if value is None else repr(str(value)[:80])


def _without_own_address(machine: Machine, wanted: Mapping[str, str]) -> dict[str, str]:
    """Keep a NIC's current MAC address where the inventory names none: a change would cut the guest off for a while."""
    if "net0" not in wanted or (isinstance(machine, Guest) and machine.mac):
        return dict(wanted)
    nic = {key: value for key, value in parse(wanted["net0"]).items() if key != "hwaddr"}
    return {**wanted, "net0": format_properties(nic)}
