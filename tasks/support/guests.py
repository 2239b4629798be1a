"""Which guests a node has, as they are now, and which of them the inventory no longer declares."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from phoenix.connections.proxmox import ProxmoxClient
from phoenix.derive.ownership import owns
from phoenix.estate import Hypervisor
from phoenix.pve.guests import GUEST_LISTS, GuestStatus, read_guests
from phoenix.run import Run


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
    paths = {kind: f"nodes/{node}/{name}" for kind, name in GUEST_LISTS.items()}
    with ThreadPoolExecutor(len(paths)) as pool:
        answers = {kind: pool.submit(api.get, path) for kind, path in paths.items()}
        return tuple(guest for kind, answer in answers.items() for guest in read_guests(answer.result(), kind, node))


def undeclared_guests(run: Run, hypervisor: Hypervisor) -> tuple[GuestStatus, ...]:
    """The guests and templates that this estate created, that are no longer declared, and that this run keeps."""
    return tuple(guest for guest in _undeclared(run, hypervisor) if guest.vmid not in run.consent.pruned)


def prunable_guests(run: Run, hypervisor: Hypervisor) -> tuple[GuestStatus, ...]:
    """The guests and templates that are no longer declared and that the operator lets this run remove."""
    return tuple(guest for guest in _undeclared(run, hypervisor) if guest.vmid in run.consent.pruned)


def guest_path(guest: GuestStatus) -> str:
    """The API path of a listed guest."""
    return f"nodes/{guest.node}/{GUEST_LISTS[guest.kind]}/{guest.vmid}"


def _undeclared(run: Run, hypervisor: Hypervisor) -> tuple[GuestStatus, ...]:
    declared = {machine.vmid for machine in (*run.estate.guests, *run.estate.templates)}
    return tuple(
        guest
        for guest in run.guests.listed()
        if guest.node == hypervisor.node and guest.vmid not in declared and owns(run.estate, guest.vmid, guest.tags)
    )
