"""Observed guest + inventory → what changes on the hypervisor. Pure; `guest` applies it.

Sources: pct.conf(5), qm.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from phoenix.converge import Change, Plan
from phoenix.derive.guests import OPTIONAL, bind_mounts, tags
from phoenix.derive.ownership import is_owner_tag, owner_tag
from phoenix.derive.storage import guest_directory
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Guest, Machine, Template
from phoenix.pve.firewall.plan.level import Write
from phoenix.pve.guest_config import GuestConfig
from phoenix.pve.guests import split_tags
from phoenix.pve.marker import Marker, read_marker, write_marker
from phoenix.pve.mounts import MountPlan, plan_mounts
from phoenix.pve.nics import undeclared_nics
from phoenix.pve.options import OptionChange, option_change, tags_change
from phoenix.pve.properties import without_address
from phoenix.pve.restart import is_forgotten, waiting_after
from phoenix.tasks.firewall.apply import new_guest_changes
from phoenix.tasks.firewall.writes import changes_of
from phoenix.tasks.hosts.disks import disk_notes, disk_of, disk_size

DESCRIPTION = "description"


@dataclass(frozen=True)
class SeenMachine:
    """A guest or template as Proxmox VE has it, and whether it runs.

    `firewall` are the writes that complete the firewall of a guest that does not run. `adopts` is a description of a
    guest that another owner created and that is to be taken over, empty for a guest of this estate.
    """

    config: GuestConfig
    is_running: bool
    firewall: tuple[Write, ...] = ()
    adopts: str = ""


@dataclass(frozen=True)
class GuestPlan(Plan):
    """What to do with a guest or template, beside the changes that a person reads.

    `options` are the values to send, None for an option to delete. `finishes`: a creation ends with this plan.
    """

    creates: bool = False
    options: Mapping[str, str | None] = field(default_factory=dict)
    grows: bool = False
    mounts: MountPlan = field(default_factory=MountPlan)
    firewall: tuple[Write, ...] = ()
    starts: bool = False
    restarts: bool = False
    finishes: bool = False


def plan_machine(
    estate: Estate,
    machine: Guest | Template,
    wanted: Mapping[str, str],
    seen: SeenMachine | None,
    *,
    may_restart: bool = True,
) -> GuestPlan:
    """Plan a guest or template; `wanted` are its options in the API's spelling, `seen` is None if it does not exist.

    Raises TaskFailedError for a difference that cannot be corrected, before anything is changed.
    """
    starts = isinstance(machine, Guest) and not (seen and seen.is_running)
    start = (Change(title(machine), "start"),) if starts else ()
    if seen is None:
        changes = (*_creation(estate, machine), *start)
        return GuestPlan(changes, creates=True, starts=starts, finishes=True)
    own = read_marker(seen.config.next.get(DESCRIPTION))
    finishes = bool(own and own.is_unfinished)
    if problems := list(refusals(estate, machine, seen.config.next, is_unfinished=finishes)):
        raise TaskFailedError("\n".join(problems))
    differing = {one.key: one for one in _option_changes(estate, machine, wanted, seen, own)}
    mounts = _mounts(estate, machine, seen.config.next, seen.config.running)
    grows = disk_size(machine, seen.config.next) < machine.disk
    sent = {key: change.value for key, change in differing.items()}
    others = (*mounts.removals, *mounts.replaced, *(("earlier changes",) if own and own.waits else ()))
    waiting = waiting_after(machine.kind, sent, seen.config, others)
    waits = bool(waiting) and seen.is_running and isinstance(machine, Guest)
    if waits and (own is None or not own.waits) and is_forgotten(machine.kind, sent):
        sent[DESCRIPTION] = _note(estate, machine, seen, own, waits=True)
    changes = (
        *_taking_over(machine, seen, finishes=finishes),
        *(_update(machine, change.difference) for change in differing.values() if change.difference),
        *((_update(machine, f"disk grows to {machine.disk} GiB"),) if grows else ()),
        *(_update(machine, f"{key} should be {value}") for key, value in mounts.sets.items()),
        *(
            _update(machine, f"{key} is no longer declared: it is unmounted, its directory stays")
            for key in mounts.removals
        ),
        *changes_of(seen.firewall),
        *start,
        *(
            (Change(title(machine), "restart", f"{', '.join(waiting)}: in effect after a restart"),)
            if waits and may_restart
            else ()
        ),
    )
    notes = tuple(_notes(estate, machine, seen, own, waiting if waits and not may_restart else ()))
    return GuestPlan(
        changes,
        notes,
        options=sent,
        grows=grows,
        mounts=mounts,
        firewall=seen.firewall,
        starts=starts,
        restarts=waits and may_restart,
        finishes=finishes,
    )


def marker_of(estate: Estate, machine: Machine, *, is_unfinished: bool = False) -> Marker:
    """The note in the description of a machine that this estate creates."""
    given = tuple(sorted(tag.lower() for tag in machine.tags))
    return Marker(owner_tag(estate, machine.vmid), origin_of(machine), given, is_unfinished)


def origin_of(machine: Machine) -> str:
    """What a machine is made from: a template by its name, or a volume."""
    return machine.clone_of or machine.ostemplate or machine.disk_image or ""


def title(machine: Machine) -> str:
    """The machine's title in a plan."""
    return f"guest {machine.vmid} {machine.name}"


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
    if places := "; ".join(f"{target} by {key}" for target, key in _mounts(estate, machine, options).occupied.items()):
        yield f"others' mount points occupy declared paths: {places}; choose another `target`"


def _option_changes(
    estate: Estate, machine: Machine, wanted: Mapping[str, str], seen: SeenMachine, own: Marker | None
) -> Iterator[OptionChange]:
    """The options that differ, in the order of their derivation, and the note in the description."""
    config = seen.config.next
    absent = OPTIONAL if isinstance(machine, Guest) else ()
    for key, value in {**dict.fromkeys(absent), **_without_own_address(machine, wanted)}.items():
        if key == "tags":
            former = (*(own.tags if own else ()), *filter(is_owner_tag, split_tags(config.get(key))))
            change = tags_change(tags(estate, machine), former, config.get(key))
        else:
            change = option_change(key, value, config.get(key))
        if change:
            yield change
    if own != replace(_kept(estate, machine, seen, own), waits=bool(own and own.waits)):
        text = "" if seen.adopts or own else "the note of its owner is missing in the description"
        yield OptionChange(DESCRIPTION, _note(estate, machine, seen, own, waits=bool(own and own.waits)), text)


def _kept(estate: Estate, machine: Machine, seen: SeenMachine, own: Marker | None) -> Marker:
    marker = marker_of(estate, machine)
    return Marker(marker.owner, own.origin if own and not seen.adopts else "", marker.tags)


def _note(estate: Estate, machine: Machine, seen: SeenMachine, own: Marker | None, *, waits: bool) -> str:
    """The description with the note; `waits`: a restart is needed that Proxmox VE does not remember."""
    marker = replace(_kept(estate, machine, seen, own), waits=waits)
    return write_marker(seen.config.next.get(DESCRIPTION), marker)


def _without_own_address(machine: Machine, wanted: Mapping[str, str]) -> dict[str, str]:
    """Leave out a MAC address that the inventory does not name: the present one stays."""
    is_free = "net0" in wanted and isinstance(machine, Guest) and machine.mac is None
    return {**wanted, **({"net0": without_address(wanted["net0"])} if is_free else {})}


def _mounts(
    estate: Estate, machine: Machine, options: Mapping[str, str], running: Mapping[str, str] = MappingProxyType({})
) -> MountPlan:
    if not isinstance(machine, Guest) or machine.kind != "lxc":
        return MountPlan()
    own = guest_directory(estate.hypervisor_of(machine), machine.vmid)
    return plan_mounts(bind_mounts(estate, machine), options, own, running)


def _creation(estate: Estate, machine: Guest | Template) -> tuple[Change, ...]:
    origin = f"clone of {machine.clone_of}" if machine.clone_of else f"from {origin_of(machine)}"
    size = f"{machine.cores} cores, {machine.memory} MiB, {machine.disk} GiB on {machine.storage}"
    where = f", {machine.address}" if isinstance(machine, Guest) else ""
    create = Change(title(machine), "create", f"{machine.kind}, {origin}; {size}{where}")
    return (create, *(new_guest_changes(estate, machine) if isinstance(machine, Guest) else ()))


def _taking_over(machine: Machine, seen: SeenMachine, *, finishes: bool) -> tuple[Change, ...]:
    if seen.adopts:
        return (Change(title(machine), "adopt", seen.adopts),)
    return (Change(title(machine), "create", "its creation was interrupted"),) if finishes else ()


def _update(machine: Machine, reason: str) -> Change:
    return Change(title(machine), "update", reason)


def _notes(
    estate: Estate, machine: Machine, seen: SeenMachine, own: Marker | None, waiting: Sequence[str]
) -> Iterator[str]:
    """What differs and is not changed: with the reason, and what the operator can do."""
    name = title(machine)
    if isinstance(machine, Guest) and not seen.is_running:
        yield f"{name}: it does not run; what is to change in it is known once it runs"
    if seen.adopts and machine.kind == "vm":
        yield f"{name}: it is another owner's; what is to change in it is known once it is adopted"
    if seen.adopts and machine.kind == "lxc":
        yield f"{name}: if it is a clone, it shares its SSH host keys with its origin; the audit shows them"
    yield from (f"{name}: {text}" for text in disk_notes(estate, machine, seen.config.next))
    if own and own.origin and own.origin != origin_of(machine):
        yield f"{name}: it was made from {own.origin}, declared is {origin_of(machine)}: that concerns new guests"
    for nic in undeclared_nics(seen.config.next):
        yield f"{name}: {nic.key} at {nic.bridge} is not declared; the guest's rules filter it"
    if waiting:
        yield f"{name}: {', '.join(waiting)} wait for a restart, which --no-restart leaves to you"
