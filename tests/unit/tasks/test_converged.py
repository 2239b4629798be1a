"""Every task that converges, on simulated hosts: a second deployment plans no change, each drift is corrected."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache

import pytest

from phoenix.converge import Resource
from phoenix.converge.host_session import probes_of
from phoenix.errors import TaskFailedError
from phoenix.run import Converge, Step
from phoenix.runbooks.deploy import deployment
from tests.support.converged import Drift, SimulatedHost
from tests.support.estate_ca import AUTHORITY
from tests.support.inventories import example
from tests.support.runs import planning_run, with_host

ESTATE = with_host(example(), "pve", web_certificate=True)
RUN = planning_run(ESTATE, AUTHORITY)
MODEL_SERVERS = ("granite-embedding", "granite-3b", "ollama", "llamacpp")
WITHOUT_RESOURCES = {
    "push_trust-step-ca",  # not in trusted_ca
    *(f"issue_certificates-{name}" for name in ("step-ca", "traefik", *MODEL_SERVERS)),
    *(f"mount_storage-{name}" for name in ("traefik", *MODEL_SERVERS)),
}
"""Tasks on hosts that should have no resource of the task's kind."""


def steps() -> Iterator[tuple[str, Step, str]]:
    """Each step that compares resources, with each of its hosts."""
    for stage in deployment(ESTATE):
        for step in stage.steps:
            if isinstance(step.task, Converge) or step.compares:
                for name in sorted(step.hosts(ESTATE, RUN.targets)):
                    yield f"{step.task.__name__}-{name}", step, name


STEPS = {title: (step, name) for title, step, name in steps()}
every_step = pytest.mark.parametrize("title", STEPS)


@lru_cache
def resources(title: str) -> tuple[Resource, ...]:
    """What a step compares on a host."""
    step, name = STEPS[title]
    return step.resources(RUN, ESTATE.host(name))


def converged(title: str) -> SimulatedHost:
    """A host that the step's task has converged."""
    return SimulatedHost().converge(resources(title))


@every_step
def test_empty_host(title: str) -> None:
    """A task plans changes on an empty host, except where the host should have no resource of its kind."""
    assert bool(SimulatedHost().plan(resources(title))) == (title not in WITHOUT_RESOURCES)


@every_step
def test_second_deployment(title: str) -> None:
    """A task plans no change on a host that it has converged."""
    assert converged(title).plan(resources(title)) == []


@every_step
@pytest.mark.parametrize(
    ("kind", "asked"),
    [("remove", {"stat", "content"}), ("edit", {"content"}), ("chmod", {"stat"}), ("chown", {"stat"})],
)
def test_drift_of_a_path(title: str, kind: Drift, asked: set[str]) -> None:
    """A task plans a change for each path that drifts, or refuses the host; it asks about each path that it manages."""
    host, desired = converged(title), resources(title)
    subjects = {probe.subject for probe in probes_of(desired) if probe.kind in asked}
    drifts = [(path, _drifted(host, kind, path)) for path in sorted(subjects & host.paths.keys())]
    assert [path for path, drifted in drifts if not _is_noticed(drifted, desired)] == []


def _drifted(host: SimulatedHost, kind: Drift, path: str) -> SimulatedHost:
    drifted = deepcopy(host)
    drifted.drift(kind, path)
    return drifted


def _is_noticed(host: SimulatedHost, desired: tuple[Resource, ...]) -> bool:
    try:
        return bool(host.plan(desired))
    except TaskFailedError:
        return True
