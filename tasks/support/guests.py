"""The guests of a node: those that a run is for, those that exist now, and those that are no longer declared."""

from __future__ import annotations

from phoenix.connections.proxmox import ProxmoxClient
from phoenix.derive.ownership import owns
from phoenix.estate import Guest, Hypervisor, Machine
from phoenix.pve.guests import GUEST_LISTS, GuestStatus, read_guests
from phoenix.run import Run
from phoenix.tasks.support.at_once import at_once


def targeted_guests(run: Run, hypervisor: Hypervisor) -> tuple[Guest, ...]:
    """The declared guests of a hypervisor that the run may change."""
    return tuple(guest for guest in run.estate.guests if _is_targeted(run, hypervisor, guest))


def targeted_machines(run: Run, hypervisor: Hypervisor) -> tuple[Machine, ...]:
    """The declared guests and templates of a hypervisor that the run may change."""
    templates = (template for template in run.estate.templates if _is_targeted(run, hypervisor, template))
    return (*targeted_guests(run, hypervisor), *templates)


def is_ours(run: Run, machine: Machine) -> bool:
    """Report whether a machine exists and is this estate's, or one that the operator lets the run take over."""
    status = run.guests.status(machine.vmid)
    return status is not None and (owns(run.estate, machine.vmid, status.tags) or machine.name in run.consent.adopted)


def learn_guests(run: Run, hypervisor: Hypervisor) -> None:
    """List the guests of a node for the tasks of the run; ApiError if that fails.

    Clusters number their guests independently: one with the vmid of a machine on another cluster is left out.
    """
    machines = (*run.estate.guests, *run.estate.templates)
    elsewhere = {m.vmid for m in machines if run.estate.hypervisor_of(m).cluster != hypervisor.cluster}
    listed = list_guests(run.links.api(hypervisor.name), hypervisor.node)
    run.guests.learn(guest for guest in listed if guest.vmid not in elsewhere)


def list_guests(api: ProxmoxClient, node: str) -> tuple[GuestStatus, ...]:
    """List the containers and virtual machines of a node; ApiError if that fails."""
    answers = at_once(lambda kind: api.get(f"nodes/{node}/{GUEST_LISTS[kind]}"), GUEST_LISTS)
    return tuple(guest for kind, answer in answers.items() for guest in read_guests(answer, kind, node))


def undeclared_guests(run: Run, hypervisor: Hypervisor) -> tuple[GuestStatus, ...]:
    """The guests and templates that this estate created, that are no longer declared, and that this run keeps."""
    return tuple(guest for guest in _undeclared(run, hypervisor) if guest.vmid not in run.consent.pruned)


def prunable_guests(run: Run, hypervisor: Hypervisor) -> tuple[GuestStatus, ...]:
    """The guests and templates that are no longer declared and that the operator lets this run remove."""
    return tuple(guest for guest in _undeclared(run, hypervisor) if guest.vmid in run.consent.pruned)


def guest_path(guest: GuestStatus) -> str:
    """The API path of a listed guest."""
    return f"nodes/{guest.node}/{GUEST_LISTS[guest.kind]}/{guest.vmid}"


def _is_targeted(run: Run, hypervisor: Hypervisor, machine: Machine) -> bool:
    return machine.hypervisor == hypervisor.name and machine.name in run.targets


def _undeclared(run: Run, hypervisor: Hypervisor) -> tuple[GuestStatus, ...]:
    declared = {machine.vmid for machine in (*run.estate.guests, *run.estate.templates)}
    return tuple(
        guest
        for guest in run.guests.listed()
        if guest.node == hypervisor.node and guest.vmid not in declared and owns(run.estate, guest.vmid, guest.tags)
    )
