"""Preflight: check all preconditions of a hypervisor before any change, and report all problems at once.

Every run checks its access. A deployment also checks whether the node can take the guests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nornir.core.task import Task

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.converge import Observation, Outcome, ReadOnlyFile
from phoenix.derive.authority import published_files
from phoenix.derive.ownership import owner_tag
from phoenix.errors import TaskFailedError
from phoenix.estate import Guest, Hypervisor, Machine
from phoenix.pve.guest_config import read_config
from phoenix.pve.guests import GuestStatus
from phoenix.pve.paths import path_of
from phoenix.pve.placement.configured_guests import ConfiguredGuest
from phoenix.run import Run
from phoenix.tasks.authority.service import seen_authority
from phoenix.tasks.certificates.api_trust import connection_problems
from phoenix.tasks.hosts.adoption import stranger
from phoenix.tasks.hosts.api_questions import ApiAnswers, absent_machines, ask_api, ask_placement
from phoenix.tasks.hosts.guest_options import title
from phoenix.tasks.hosts.guest_refusals import refusals
from phoenix.tasks.hosts.node_questions import (
    NodeQuestions,
    ask_neighbors,
    base_problems,
    configured_guests,
    conflicts,
    deployment_questions,
    node_network,
    placement_problems,
)
from phoenix.tasks.hosts.package_mirrors import ask_mirrors
from phoenix.tasks.support.guests import is_ours, targeted_guests, targeted_machines


def check_access(task: Task, run: Run) -> Outcome:
    """Check connections, the token's privileges, the node's commands, and that ids are free or ours; change nothing."""
    hypervisor = run.estate.hypervisor(task.host.name)
    answers = ask_api(run, hypervisor)
    seen, node_problems = _observe(run, NodeQuestions(hypervisor))
    node_problems += base_problems(hypervisor, seen) if seen else ()
    return _outcome(task, answers, [*_owners(run, hypervisor, answers), *node_problems, *_trust(run, hypervisor)])


@dataclass(frozen=True)
class DeploymentCheck:
    """The check of access in a run that creates guests; the record of both kinds of runs calls it the same."""

    @property
    def __name__(self) -> str:
        return check_access.__name__

    def __call__(self, task: Task, run: Run) -> Outcome:
        """Check access and placement."""
        return _check_deployment(task, run)


check_deployment = DeploymentCheck()
"""Check access, and whether the node has what the guests need: networks, ports, storages, free addresses."""


def _check_deployment(task: Task, run: Run) -> Outcome:
    hypervisor = run.estate.hypervisor(task.host.name)
    answers = ask_api(run, hypervisor)
    seen, problems = _observe(run, deployment_questions(run, hypervisor))
    if seen:
        problems += [*base_problems(hypervisor, seen), *placement_problems(run, hypervisor, seen)]
    problems = [*_owners(run, hypervisor, answers), *problems]
    if answers.knows_guests:
        problems += ask_placement(run, hypervisor, answers)
        problems += _guest_problems(run, hypervisor, seen, answers.notes) if seen else ()
    return _outcome(task, answers, [*problems, *_trust(run, hypervisor)])


def _outcome(task: Task, answers: ApiAnswers, problems: list[str]) -> Outcome:
    """Raise all problems, one a line, or return the notes."""
    if every := [*answers.problems, *problems]:
        raise TaskFailedError("\n".join(every))
    return Outcome(task.host, notes=answers.notes)


def _observe(run: Run, questions: NodeQuestions) -> tuple[Observation | None, list[str]]:
    """Ask the node, and learn what the authority publishes; None and the reason if the node does not answer."""
    published = published_files(run.estate)
    try:
        seen = run.session(questions.hypervisor.name).observe([questions, *map(ReadOnlyFile, published)])
    except ConnectionFailedError as error:
        return None, [str(error)]
    run.known_authority = seen_authority(run.estate, *map(seen.text, published)) or run.known_authority
    return seen, []


def _owners(run: Run, hypervisor: Hypervisor, answers: ApiAnswers) -> Iterator[str]:
    if not answers.knows_guests:
        return
    try:
        yield from _unmanaged(run, hypervisor, run.links.api(hypervisor.name))
    except ApiError as error:
        yield str(error)


def _guest_problems(run: Run, hypervisor: Hypervisor, seen: Observation, notes: list[str]) -> Iterator[str]:
    """Addresses that others have, and mirrors that are out of reach."""
    configured = configured_guests(seen)
    _claim(run, hypervisor, configured)
    yield from (f"{hypervisor.name}: {conflict}" for conflict in conflicts(run, hypervisor, configured))
    own = tuple(_own_guests(run, hypervisor, configured))
    for guest, present in own:
        yield from (f"{title(guest)}: {text}" for text in refusals(run.estate, guest, present.options))
    absent = (machine for machine in absent_machines(run, hypervisor) if isinstance(machine, Guest))
    moving = (guest for guest, present in own if guest.address not in present.addresses)
    known = {address for guest in configured for address in guest.addresses}
    wanted = {guest.address: guest.name for guest in (*absent, *moving) if guest.address not in known}
    in_use, silent = ask_neighbors(run, hypervisor, wanted, node_network(seen))
    yield from in_use
    notes += silent
    yield from ask_mirrors(run, hypervisor)


def _claim(run: Run, hypervisor: Hypervisor, configured: Iterable[ConfiguredGuest]) -> None:
    """Know guests of this estate by their notes, too: an interrupted creation left them without the tag."""
    for guest in configured:
        is_own = guest.node == hypervisor.node and guest.owner == owner_tag(run.estate, guest.vmid)
        if is_own and guest.vmid in run.guests:
            run.guests.claim(guest.vmid, guest.owner)


def _own_guests(
    run: Run, hypervisor: Hypervisor, configured: Iterable[ConfiguredGuest]
) -> Iterator[tuple[Guest, ConfiguredGuest]]:
    """The guests of this estate on the node that the run may change, with their configuration."""
    found = {(guest.vmid, guest.kind): guest for guest in configured if guest.node == hypervisor.node}
    for guest in targeted_guests(run, hypervisor):
        present = found.get((guest.vmid, guest.kind))
        if present and is_ours(run, guest):
            yield guest, present


def _trust(run: Run, hypervisor: Hypervisor) -> Iterator[str]:
    if hypervisor.name in run.targets:
        yield from connection_problems(run, hypervisor)


def _unmanaged(run: Run, hypervisor: Hypervisor, api: ProxmoxClient) -> Iterator[str]:
    """Ids of the inventory that guests of other owners or of another kind use."""
    for machine in targeted_machines(run, hypervisor):
        guest = run.guests.status(machine.vmid)
        if guest and guest.kind != machine.kind:
            yield f"vmid {machine.vmid} ({machine.name}) is a {guest.kind}, in the inventory a {machine.kind}"
        elif guest and not is_ours(run, machine):
            yield from _foreign(run, machine, guest, api)


def _foreign(run: Run, machine: Machine, guest: GuestStatus, api: ProxmoxClient) -> Iterator[str]:
    """A guest without the owner's tag is foreign, unless its description says otherwise."""
    config = read_config(api.get(f"{path_of(run.estate, machine)}/pending")).next
    text = stranger(run.estate, guest, config)
    if not text:
        run.guests.claim(machine.vmid, owner_tag(run.estate, machine.vmid))
    else:
        yield (
            f"vmid {machine.vmid} is not of this estate: {text}. Give {machine.name} another vmid, or take the guest "
            f"over: `phoenix deploy --dry-run --diff --adopt {machine.name}` shows what would change"
        )
