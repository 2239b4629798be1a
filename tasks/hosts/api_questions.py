"""Preflight's questions to the API of a hypervisor: version, node, privileges; and what new guests need there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.estate import Estate, Hypervisor
from phoenix.estate.model import Machine
from phoenix.pve.guests import GuestStatus
from phoenix.pve.placement.moved import moved_guests
from phoenix.pve.placement.storages import (
    StoredFile,
    clone_problems,
    is_listed,
    missing_file,
    needed_files,
    read_storages,
    storage_problems,
)
from phoenix.pve.privileges import missing_privileges
from phoenix.pve.version import MIN_VERSION, is_supported
from phoenix.run import Run
from phoenix.tasks.support.guests import learn_guests, targeted_machines

STATUSES = ("running", "stopped")
LISTING_PRIVILEGE = "VM.Audit"
"""Proxmox lists no guest for which the token lacks it."""


@dataclass
class ApiAnswers:
    """What the API said: problems, notes, and whether the guests of the node are known completely.

    `nodes` are those of the node's cluster.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    nodes: frozenset[str] = frozenset()
    knows_guests: bool = False


def ask_api(run: Run, hypervisor: Hypervisor) -> ApiAnswers:
    """Ask what every run needs: version, node, privileges, and the guests of the node."""
    answers = ApiAnswers()
    try:
        answers.problems += _access_problems(run, hypervisor, answers)
    except ApiError as error:
        answers.problems.append(str(error))
    return answers


def absent_machines(run: Run, hypervisor: Hypervisor) -> tuple[Machine, ...]:
    """Find the targeted guests and templates of a hypervisor that are not on its node."""
    return tuple(m for m in targeted_machines(run, hypervisor) if _status(run, hypervisor, m) is None)


def ask_placement(run: Run, hypervisor: Hypervisor, answers: ApiAnswers) -> Iterator[str]:
    """Ask what guests need that are to be created: that they are on no other node, and their storages."""
    absent = absent_machines(run, hypervisor)
    if not absent:
        return
    api = run.links.api(hypervisor.name)
    try:
        if len(answers.nodes) > 1:
            yield from moved_guests(run.estate, hypervisor, absent, api.get("cluster/resources", type="vm"))
        yield from _storage_problems(api, run.estate, hypervisor, absent)
    except ApiError as error:
        yield str(error)


def _access_problems(run: Run, hypervisor: Hypervisor, answers: ApiAnswers) -> Iterator[str]:
    api = run.links.api(hypervisor.name)
    version = str(api.get("version")["version"])
    granted = api.get("access/permissions")
    nodes = {str(node["node"]): str(node.get("status", "")) for node in api.get("nodes")}
    answers.nodes = frozenset(nodes)
    if not is_supported(version):
        oldest = ".".join(map(str, MIN_VERSION))
        yield f"{api.where}: Proxmox VE {version} is older than {oldest}, the oldest supported one: upgrade the node"
    if hypervisor.node not in nodes:
        yield f"{api.where}: there is no node {hypervisor.node!r} (there is {', '.join(sorted(nodes))}); correct `node`"
        return
    if nodes[hypervisor.node] == "offline":
        yield f"{api.where}: the node {hypervisor.node} is offline in its cluster: start it, and check `pvecm status`"
        return
    learn_guests(run, hypervisor)
    lacking = missing_privileges(granted, run.estate, hypervisor, version)
    yield from (f"{api.where}: the token lacks {privilege} on {path}" for path, privilege in lacking)
    answers.knows_guests = LISTING_PRIVILEGE not in {privilege for _, privilege in lacking}
    yield from _status_problems(run, hypervisor)
    answers.notes += _lock_notes(run, hypervisor)


def _status_problems(run: Run, hypervisor: Hypervisor) -> Iterator[str]:
    for machine, status in _existing(run, hypervisor):
        if status.status not in STATUSES:
            yield (
                f"guest {machine.vmid} {machine.name} has the status {status.status!r}: whether it runs is not known; "
                f"look at `{_tool(machine)} status {machine.vmid}` on {hypervisor.node}, and at pvestatd there"
            )


def _lock_notes(run: Run, hypervisor: Hypervisor) -> Iterator[str]:
    for machine, status in _existing(run, hypervisor):
        if status.lock:
            yield (
                f"guest {machine.vmid} {machine.name} is locked ({status.lock}): its changes wait until the task that "
                f"holds the lock has ended; if none runs, `{_tool(machine)} unlock {machine.vmid}` removes it"
            )


def _existing(run: Run, hypervisor: Hypervisor) -> Iterator[tuple[Machine, GuestStatus]]:
    for machine in targeted_machines(run, hypervisor):
        status = _status(run, hypervisor, machine)
        if status is not None:
            yield machine, status


def _status(run: Run, hypervisor: Hypervisor, machine: Machine) -> GuestStatus | None:
    status = run.guests.status(machine.vmid)
    return status if status is not None and status.node == hypervisor.node else None


def _tool(machine: Machine) -> str:
    return "qm" if machine.kind == "vm" else "pct"


def _storage_problems(
    api: ProxmoxClient, estate: Estate, hypervisor: Hypervisor, absent: Sequence[Machine]
) -> Iterator[str]:
    base = f"nodes/{hypervisor.node}/storage"
    storages, files = read_storages(api.get(base)), needed_files(absent)
    yield from storage_problems(api.where, storages, absent, files)
    yield from clone_problems(api.where, estate, storages, absent)
    by_storage: dict[str, list[StoredFile]] = {}
    for file in files:
        if is_listed(file, storages):
            by_storage.setdefault(file.storage, []).append(file)
    for storage, own in by_storage.items():
        volumes = {str(entry["volid"]) for entry in api.get(f"{base}/{storage}/content")}
        for file in own:
            yield from missing_file(api.where, file, volumes)
