"""What a distribution of trust must know first: which guests run, and which anchors the authority publishes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from nornir.core.task import Result, Task

from phoenix.converge import Change, Observation, Probe
from phoenix.pki.authority import SeenAuthority, read_bundle
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from tasks.authority_state import PUBLISHED_BUNDLE
from tasks.ca import state_directory
from tasks.converging import result, session


class _Published:
    """The authority's public bundle, in the shape of a resource."""

    def __init__(self, path: str) -> None:
        self.path = path

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("content", self.path),)

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        return ()


def observe_authority(task: Task, run: Run) -> Result:
    """Ask the hypervisor's API and its shell at the same time; change nothing."""
    published = f"{state_directory(run.estate, run.estate.guest_with('step_ca'))}/{PUBLISHED_BUNDLE}"
    with ThreadPoolExecutor(1) as other:
        resources = other.submit(run.links.api(task.host.name).get, "cluster/resources", type="vm")
        seen = session(task).observe([_Published(published)])
        run.exists.update({int(found["vmid"]): found for found in resources.result()})
    try:
        run.authority = SeenAuthority(read_bundle(seen.text(published) or ""))
    except ValueError as error:
        raise TaskFailedError(f"the bundle {published} cannot be used, {error}: deploy the authority first") from None
    return result(task, [])
