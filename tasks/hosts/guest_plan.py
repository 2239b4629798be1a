"""Observed guest + inventory → what changes on the hypervisor. Pure; `guest` applies it.

Sources: pct.conf(5), qm.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from phoenix.converge import Change, Plan
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Guest, Machine, Template
from phoenix.pve.firewall.plan.level import Write
from phoenix.pve.marker import Marker, read_marker
from phoenix.pve.mounts import MountPlan
from phoenix.pve.nics import undeclared_nics
from phoenix.pve.restart import is_forgotten, waiting_after
from phoenix.tasks.firewall.apply import new_guest_changes
from phoenix.tasks.firewall.writes import changes_of
from phoenix.tasks.hosts.disks import disk_notes, disk_size
from phoenix.tasks.hosts.guest_options import DESCRIPTION, SeenMachine, note_text, option_changes, origin_of, title
from phoenix.tasks.hosts.guest_refusals import mount_plan, refusals


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
    differing = {one.key: one for one in option_changes(estate, machine, wanted, seen, own)}
    mounts = mount_plan(estate, machine, seen.config.next, seen.config.running)
    grows = disk_size(machine, seen.config.next) < machine.disk
    sent = {key: change.value for key, change in differing.items()}
    others = (*mounts.removals, *mounts.replaced, *(("earlier changes",) if own and own.waits else ()))
    waiting = waiting_after(machine.kind, sent, seen.config, others)
    waits = bool(waiting) and seen.is_running and isinstance(machine, Guest)
    if waits and (own is None or not own.waits) and is_forgotten(machine.kind, sent):
        sent[DESCRIPTION] = note_text(estate, machine, seen, own, waits=True)
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
