"""What a distribution of trust must know first: which guests run, and which anchors the authority publishes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from nornir.core.task import Result, Task

from phoenix.connections.fanout import run_in_containers
from phoenix.connections.shell import NodeShell
from phoenix.converge import Change, HostSession, Observation, Probe
from phoenix.converge.session import OBSERVE_SECONDS, question
from phoenix.derive.authority import exported_bundle
from phoenix.estate import Guest, Hypervisor
from phoenix.pki.bundle import Bundle, SeenAuthority, read_bundle
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from phoenix.tasks.support.converging import result, session
from phoenix.tasks.trust.on_node import ask_node
from phoenix.tasks.trust.push import trust_in

ONE = Bundle(("",))
"""What a host is asked about a single anchor is the same whichever it is: it can be asked before that is known."""


class _Published:
    """The authority's public bundle, in the shape of a resource."""

    def __init__(self, path: str) -> None:
        self.path = path

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("content", self.path),)

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        return ()


def observe_authority(task: Task, run: Run) -> Result:
    """Learn the anchors, ask all containers about theirs at the same time, and find out which of the others run."""
    hypervisor = run.estate.host(task.host.name)
    assert isinstance(hypervisor, Hypervisor)  # noqa: S101  # the stage runs on hypervisors
    guests = [guest for guest in run.estate.guests if guest.hypervisor == hypervisor.name and guest.name in run.targets]
    containers = [guest for guest in guests if guest.kind == "lxc"]
    bundle = _look(session(task), run, containers, ONE)
    if len(bundle.anchors) > 1:
        _look(session(task), run, containers, bundle)
    run.authority = SeenAuthority(bundle)
    if not all(run.is_running(guest.vmid) for guest in guests):
        found = run.links.api(hypervisor.name).get("cluster/resources", type="vm")
        run.exists.update({int(machine["vmid"]): machine for machine in found})
    return result(task, [])


def _look(node: HostSession, run: Run, containers: list[Guest], expected: Bundle) -> Bundle:
    """Ask the node and its containers what matters for the expected anchors; gives those that are published."""
    published = exported_bundle(run.estate)
    resources = (_Published(published), *trust_in(expected, run.estate, node.name))
    with ThreadPoolExecutor(1) as beside:
        own = beside.submit(node.observe, resources)
        _ask_containers(node, run, containers, expected)
    try:
        return read_bundle(own.result().text(published) or "")
    except ValueError as error:
        raise TaskFailedError(f"the bundle {published} cannot be used, {error}: deploy the authority first") from None


def _ask_containers(node: HostSession, run: Run, containers: list[Guest], expected: Bundle) -> None:
    """Whoever answers runs; for the rest the API will say."""
    assert isinstance(node.shell, NodeShell)  # noqa: S101  # a hypervisor's
    names = {guest.vmid: guest.name for guest in containers}
    asked = {
        vmid: frozenset(probe for resource in trust_in(expected, run.estate, name) for probe in resource.probes())
        for vmid, name in names.items()
    }
    answers = ask_node(node.shell, asked) if asked else {}
    inside = {vmid: question(probes) for vmid, probes in asked.items() if vmid not in answers}
    done = run_in_containers(node.shell, inside, OBSERVE_SECONDS)
    answers |= {vmid: completed.out for vmid, completed in done.items() if completed.status == 0}
    for vmid, output in answers.items():
        run.exists[vmid] = {"status": "running"}
        run.session(names[vmid]).learn(asked[vmid], output)
