"""Remove guests with their disks: those that the operator names, and those that the inventory no longer declares.

Directories of the hypervisor that were mounted in a guest stay. A guest with a volume that Phoenix did not create, and
a protected one, is refused before it is stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from nornir.core.task import Task

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.converge import Change, Outcome, PartialFailureError, Plan
from phoenix.errors import TaskFailedError
from phoenix.estate import Guest, Hypervisor, Template
from phoenix.pve.guest_config import GuestConfig, read_config
from phoenix.pve.guests import GuestStatus
from phoenix.pve.mounts import foreign_volumes
from phoenix.run import Planned, Run
from phoenix.tasks.hosts.adoption import stranger
from phoenix.tasks.support.guests import guest_path, prunable_guests, undeclared_guests

STATE_SECONDS = 180.0
ROOTS = {"lxc": "rootfs", "vm": "scsi0"}


@dataclass(frozen=True)
class RemovalPlan(Plan):
    """The guests to remove."""

    guests: tuple[GuestStatus, ...] = ()


def plan_destruction(run: Run, machine: Guest | Template) -> RemovalPlan:
    """Plan the removal of a declared guest with its disks; TaskFailedError if it must not be removed."""
    guest, hypervisor = run.guests.status(machine.vmid), run.estate.hypervisor_of(machine)
    if guest is None:
        return RemovalPlan(notes=(f"there is no guest {machine.vmid} on {hypervisor.name}",))
    return _plan(run, hypervisor, (guest,))


def apply_destruction(run: Run, machine: Guest | Template, plan: RemovalPlan) -> Plan:
    """Stop and remove the guest."""
    run.drop_session(machine.name)
    return _apply(run, run.estate.hypervisor_of(machine), plan)


def plan_prune(run: Run, hypervisor: Hypervisor) -> RemovalPlan:
    """Plan the removal of what is no longer declared and was confirmed; TaskFailedError if one must not be removed."""
    return _plan(run, hypervisor, prunable_guests(run, hypervisor))


def announce_undeclared(task: Task, run: Run) -> Outcome:
    """Note each guest that the inventory no longer declares; change nothing."""
    left = undeclared_guests(run, run.estate.hypervisor(task.host.name))
    what = "no longer declared: `phoenix deploy` closes its openings, `phoenix deploy --prune` removes it"
    return Outcome(task.host, notes=(f"{_title(guest)} ({guest.kind}, {guest.status}): {what}" for guest in left))


@dataclass
class UndeclaredGuests:
    """Collects the guests that are no longer declared, of all hypervisors, and what each is called."""

    titles: dict[int, str] = field(default_factory=dict)

    def find_undeclared(self, task: Task, run: Run) -> Outcome:
        """Add those of one hypervisor."""
        found = undeclared_guests(run, run.estate.hypervisor(task.host.name))
        self.titles |= {guest.vmid: f"{_title(guest)} ({guest.kind}, {guest.status})" for guest in found}
        return Outcome(task.host)


destroy_guest = Planned("destroy_guest", plan_destruction, apply_destruction)
"""Stop and remove a declared guest with its disks."""


def _plan(run: Run, hypervisor: Hypervisor, guests: tuple[GuestStatus, ...]) -> RemovalPlan:
    api = run.links.api(hypervisor.name)
    configs = {guest: read_config(api.get(f"{guest_path(guest)}/pending")) for guest in guests}
    if problems := [text for guest, config in configs.items() for text in _reasons(run, guest, config)]:
        raise TaskFailedError("\n".join(problems))
    return RemovalPlan(tuple(Change(_title(guest), "remove") for guest in guests), guests=guests)


def _apply(run: Run, hypervisor: Hypervisor, plan: RemovalPlan) -> Plan:
    api = run.links.api(hypervisor.name)
    for number, guest in enumerate(plan.guests):
        try:
            _remove(api, guest)
        except ApiError as error:
            raise PartialFailureError(plan.changes[: number + 1], error) from error
        run.guests.forget(guest.vmid)
    return plan


remove_undeclared = Planned("remove_undeclared", plan_prune, _apply)
"""Stop and remove the confirmed guests that the inventory no longer declares."""


def _remove(api: ProxmoxClient, guest: GuestStatus) -> None:
    if guest.is_running:
        api.run("post", f"{guest_path(guest)}/status/stop", STATE_SECONDS)
    api.run("delete", guest_path(guest), STATE_SECONDS, purge=1)


def _reasons(run: Run, guest: GuestStatus, config: GuestConfig) -> Iterator[str]:
    """Why a guest must not be removed."""
    title, options = _title(guest), config.next
    if foreign := stranger(run.estate, guest, options):
        yield f"{title} is not of this estate ({foreign}): remove it with Proxmox VE, if it is yours"
    if options.get("protection", "0") != "0":
        yield f"{title} is protected: unset `protection` in its options first"
    every = (foreign_volumes(one, ROOTS[guest.kind]) for one in (config.running, options))
    if volumes := ", ".join(dict.fromkeys(volume for found in every for volume in found)):
        yield f"{title} has volumes that Phoenix did not create, and that would be lost: {volumes}; detach or move them"


def _title(guest: GuestStatus) -> str:
    return f"guest {guest.vmid} {guest.name}".strip()
