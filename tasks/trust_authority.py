"""What a distribution of trust must know first: which guests run, and which anchors the authority publishes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from nornir.core.task import Result, Task

from phoenix.connections.fanout import run_in_containers
from phoenix.connections.shell import NodeShell
from phoenix.converge import Change, HostSession, Observation, Probe
from phoenix.converge.session import OBSERVE_SECONDS, question
from phoenix.estate import Guest, Hypervisor
from phoenix.pki.authority import SeenAuthority, read_bundle
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from tasks.authority_state import PUBLISHED_BUNDLE
from tasks.ca import state_directory
from tasks.converging import result, session
from tasks.trust import trust_of
from tasks.trust_on_node import ask_node


class _Published:
    """The authority's public bundle, in the shape of a resource."""

    def __init__(self, path: str) -> None:
        self.path = path

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("content", self.path),)

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        return ()


def observe_authority(task: Task, run: Run) -> Result:
    """Learn the anchors, ask all containers about theirs at once, and find out which of the others run."""
    hypervisor = run.estate.host(task.host.name)
    assert isinstance(hypervisor, Hypervisor)  # noqa: S101  # the stage runs on hypervisors
    published = f"{state_directory(run.estate, run.estate.guest_with('step_ca'))}/{PUBLISHED_BUNDLE}"
    seen = session(task).observe([_Published(published), *trust_of(run, hypervisor.name)])
    try:
        run.authority = SeenAuthority(read_bundle(seen.text(published) or ""))
    except ValueError as error:
        raise TaskFailedError(f"the bundle {published} cannot be used, {error}: deploy the authority first") from None
    guests = [guest for guest in run.estate.guests if guest.hypervisor == hypervisor.name and guest.name in run.targets]
    with ThreadPoolExecutor(1) as beside:
        own = beside.submit(session(task).observe, trust_of(run, hypervisor.name))
        _ask_containers(session(task), run, [guest for guest in guests if guest.kind == "lxc"])
        own.result()
    if not all(run.is_running(guest.vmid) for guest in guests):
        found = run.links.api(hypervisor.name).get("cluster/resources", type="vm")
        run.exists.update({int(machine["vmid"]): machine for machine in found})
    return result(task, [])


def _ask_containers(node: HostSession, run: Run, containers: list[Guest]) -> None:
    """Whoever answers runs; for the rest the API will say."""
    assert isinstance(node.shell, NodeShell)  # noqa: S101  # a hypervisor's
    names = {guest.vmid: guest.name for guest in containers}
    asked = {
        vmid: frozenset(probe for resource in trust_of(run, name) for probe in resource.probes())
        for vmid, name in names.items()
    }
    answers = _from_outside(node.shell, asked)
    inside = {vmid: question(probes) for vmid, probes in asked.items() if vmid not in answers}
    done = run_in_containers(node.shell, inside, OBSERVE_SECONDS)
    answers |= {vmid: completed.out for vmid, completed in done.items() if completed.status == 0}
    for vmid, output in answers.items():
        run.exists[vmid] = {"status": "running"}
        run.session(names[vmid]).learn(asked[vmid], output)


def _from_outside(shell: NodeShell, asked: dict[int, frozenset[Probe]]) -> dict[int, str]:
    """What the node can say of its containers; those that are asked the same are asked together."""
    groups: dict[frozenset[Probe], list[int]] = {}
    for vmid, probes in asked.items():
        groups.setdefault(probes, []).append(vmid)
    with ThreadPoolExecutor(len(groups) or 1) as pool:
        found = pool.map(lambda group: ask_node(shell, *group), groups.items())
        return {vmid: answer for answers in found for vmid, answer in answers.items()}
