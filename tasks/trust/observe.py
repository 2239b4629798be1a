"""Observe what a trust push needs first: the running guests, and the anchors that the CA publishes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from nornir.core.task import Task

from phoenix.connections.fanout import run_in_containers
from phoenix.connections.shell import NodeShell
from phoenix.converge import Outcome, ReadOnlyFile
from phoenix.converge.host_session import OBSERVE_SECONDS, probes_of, question
from phoenix.derive.authority import exported_bundle
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pki.bundle import Bundle, SeenAuthority, read_bundle
from phoenix.run import Run
from phoenix.tasks.support.guests import learn_guests, targeted_guests
from phoenix.tasks.trust.on_node import TrustProbes, ask_node
from phoenix.tasks.trust.push import Trust, trust_in
from phoenix.tasks.trust.system_store import SystemStore

ONE = Bundle(("",))
"""The questions about a single anchor do not depend on its content, so hosts are asked before it is known."""


def observe_authority(task: Task, run: Run) -> Outcome:
    """Read the anchors, ask all containers about theirs at the same time, and find the running machines."""
    hypervisor = run.estate.hypervisor(task.host.name)
    guests = targeted_guests(run, hypervisor)
    containers = [guest for guest in guests if guest.kind == "lxc"]
    bundle = _look(run, hypervisor, containers, ONE)
    if len(bundle.anchors) > 1:
        _look(run, hypervisor, containers, bundle)
    run.known_authority = SeenAuthority(bundle)
    if not all(run.guests.is_running(guest.vmid) for guest in guests):
        learn_guests(run, hypervisor)
    return Outcome(task.host)


def _look(run: Run, hypervisor: Hypervisor, containers: list[Guest], expected: Bundle) -> Bundle:
    """Ask the node and its containers about the expected anchors; give the published ones."""
    node, published = run.session(hypervisor.name), exported_bundle(run.estate)
    resources = (ReadOnlyFile(published), *trust_in(expected, run.estate, hypervisor))
    with ThreadPoolExecutor(1) as pool:
        own = pool.submit(node.observe, resources)
        _ask_containers(run, run.links.node(hypervisor.name), containers, expected)
    try:
        return read_bundle(own.result().text(published) or "")
    except ValueError as error:
        raise TaskFailedError(f"the bundle {published} cannot be used, {error}: deploy the authority first") from None


def _ask_containers(run: Run, shell: NodeShell, containers: list[Guest], expected: Bundle) -> None:
    """Ask all containers. A container that answers is running; the API lists the others."""
    guests = {guest.vmid: guest for guest in containers}
    asked = {vmid: _trust_probes(expected, run.estate, guest) for vmid, guest in guests.items()}
    answers = ask_node(shell, asked) if asked else {}
    inside = {vmid: question(group.probes) for vmid, group in asked.items() if vmid not in answers}
    done = run_in_containers(shell, inside, OBSERVE_SECONDS)
    answers |= {vmid: completed.out for vmid, completed in done.items() if completed.status == 0}
    for vmid, output in answers.items():
        run.guests.note(guests[vmid], "running")
        run.session(guests[vmid].name).learn(asked[vmid].probes, output)


def _trust_probes(expected: Bundle, estate: Estate, guest: Guest) -> TrustProbes:
    resources = trust_in(expected, estate, guest)
    trust = next(resource for resource in resources if isinstance(resource, Trust))
    return TrustProbes(frozenset(probes_of(resources)), SystemStore(trust.bundle))
