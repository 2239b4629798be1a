"""Which guests a node has, as they are now: two requests, at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from phoenix.connections.proxmox import ProxmoxClient
from phoenix.estate import Hypervisor
from phoenix.pve.guests import GUEST_LISTS, GuestStatus, read_guests
from phoenix.run import Run


def learn_guests(run: Run, hypervisor: Hypervisor) -> None:
    """List the guests of a node for the tasks of the run; ApiError if that fails."""
    run.guests.learn(list_guests(run.links.api(hypervisor.name), hypervisor.node))


def list_guests(api: ProxmoxClient, node: str) -> tuple[GuestStatus, ...]:
    """List the containers and virtual machines of a node; ApiError if that fails."""
    paths = {kind: f"nodes/{node}/{name}" for kind, name in GUEST_LISTS.items()}
    with ThreadPoolExecutor(len(paths)) as pool:
        answers = {kind: pool.submit(api.get, path) for kind, path in paths.items()}
        return tuple(guest for kind, answer in answers.items() for guest in read_guests(answer.result(), kind, node))
