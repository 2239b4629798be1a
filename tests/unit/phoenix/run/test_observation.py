"""The stage that observes each host once, with all resources that the later stages compare on it."""

from __future__ import annotations

import pytest

from phoenix.converge import File, Outcome, Probe, Resource
from phoenix.converge.host_session import probes_of
from phoenix.run import Converge, Run, Stage, Step, everyone, guests, hypervisors, observation
from phoenix.run.selectors import AnyHost
from phoenix.runbooks.deploy import deployment
from tests.support.converged import SimulatedHost
from tests.support.estate_ca import AUTHORITY
from tests.support.estates import estate, guest
from tests.support.inventories import example
from tests.support.nornir_tasks import on_host
from tests.support.runs import planning_run
from tests.support.sessions import SimulatedSession

SMALL = estate(guest("app", 20, "lxc"), guest("box", 21, "vm", kind="vm", disk_image="local:import/x.img"))


def writing(name: str) -> Converge[AnyHost]:
    """Create a task that writes a file with the task's name."""

    def resources(_run: Run, _host: AnyHost) -> tuple[Resource, ...]:
        return (File(f"/{name}", ""),)

    return Converge(name, resources)


def plain(_task: object, _run: Run) -> Outcome:
    """A task that is not a `Converge`."""
    return Outcome(None)


def compared(_run: Run, host: AnyHost) -> tuple[Resource, ...]:
    """Derive the resources that the plain task compares."""
    return (File(f"/compared-{host.name}", ""),)


LATER = (
    Stage("first", (Step(writing("all"), everyone), Step(writing("node"), hypervisors, for_guests=True))),
    Stage("second", (Step(writing("guests"), guests), Step(plain, everyone))),
    Stage("third", (Step(plain, guests, compares=compared),)),
)


def observed(later: tuple[Stage, ...], name: str, *targets: str, of: Run | None = None) -> SimulatedSession:
    """Observe a host, and return its session."""
    run = of or planning_run(SMALL, targets=frozenset(targets) if targets else None)
    session = SimulatedSession(name, SimulatedHost())
    run._sessions[name] = session
    (step,) = observation(later).steps
    outcome = step.task(on_host(name), run)
    assert (outcome.changed, session.applied) == (False, [])
    return session


def paths(probes: set[Probe]) -> set[str]:
    """List the subjects of probes."""
    return {probe.subject for probe in probes}


@pytest.mark.parametrize(
    ("name", "targets", "expected"),
    [
        ("pve", (), {"/all", "/node"}),
        ("app", (), {"/all", "/guests", "/compared-app"}),
        ("pve", ("pve",), {"/all", "/node"}),
        ("pve", ("app",), {"/node"}),
        ("app", ("app",), {"/all", "/guests", "/compared-app"}),
        ("box", ("app",), set()),
        ("pve", ("pve", "box"), {"/all", "/node"}),
    ],
)
def test_later_steps(name: str, targets: tuple[str, ...], expected: set[str]) -> None:
    """The observation of a host has the resources of the later steps that run on it, with and without targets."""
    session = observed(LATER, name, *targets)
    assert [paths(asked) for asked in session.asked] == [expected]


def test_expected_at_once() -> None:
    """The resources of later steps are announced, so that a second observation includes all of them."""
    session = observed(LATER, "app")
    assert session.expected == session.asked[0]


@pytest.mark.parametrize(
    ("later", "expected"), [((), set()), (LATER[1:2], {"/guests"}), (LATER[2:], {"/compared-app"})]
)
def test_only_later_stages(later: tuple[Stage, ...], expected: set[str]) -> None:
    """Stages that are not in the rest of the chain are not observed."""
    (asked,) = observed(later, "app").asked
    assert paths(asked) == expected


def test_hosts() -> None:
    """The stage has the name `observation` and runs on every target."""
    stage = observation(LATER)
    assert stage.name == "observation"
    assert stage.hosts(SMALL, frozenset({"app", "pve"})) == ("pve", "app")


@pytest.mark.parametrize("name", [host.name for host in example().live()])
def test_deployment_asks_once(name: str) -> None:
    """In a deployment, the observation has exactly the resources of the later steps on the host."""
    run = planning_run(example(), AUTHORITY)
    chain = deployment(example())
    position = next(number for number, stage in enumerate(chain) if stage.name == "observation")
    later = chain[position + 1 :]
    (asked,) = observed(later, name, of=run).asked
    steps = [step for stage in later for step in stage.steps if name in step.hosts(run.estate, run.targets)]
    assert asked == {probe for step in steps for probe in probes_of(step.resources(run, run.estate.host(name)))}
    assert asked
