"""Portainer's agents: registered on Portainer's host, and forgotten with the last of them."""

from __future__ import annotations

import pytest

from phoenix.converge import Resource
from phoenix.estate import Estate
from phoenix.tasks.certificates.issue import certificate_resources
from phoenix.tasks.workloads.docker import docker_resources
from phoenix.tasks.workloads.portainer import portainer_resources
from tests.support.converged import Drift, SimulatedHost, drifted, migrated
from tests.support.estate_ca import AUTHORITY
from tests.support.inventories import example
from tests.support.runs import planning_run, with_host, without_group, without_guest

SCRIPT = "/usr/local/lib/phoenix/register-agent"
UNIT = "/etc/systemd/system/phoenix-register-agents.service"
STATE = "agents known to Portainer"
SERVICES = example().guest("drphoenix").services
NO_AGENT = without_guest(example(), "drphoenix")
OTHER_CLIENTS = with_host(
    example(),
    "drphoenix",
    services={**SERVICES, "portainer-agent": SERVICES["portainer-agent"].model_copy(update={"clients": ("traefik",)})},
)


def registration(estate: Estate) -> tuple[Resource, ...]:
    """What Portainer's host of an estate should have."""
    return portainer_resources(planning_run(estate), estate.guest("portainer"))


@pytest.mark.parametrize(
    ("estate", "changes"),
    [
        (
            example(),
            [
                "create directory /usr/local/lib/phoenix",
                f"create file {SCRIPT}",
                f"create file {UNIT}",
                f"update {STATE}",
            ],
        ),
        (NO_AGENT, []),
        (OTHER_CLIENTS, []),
        (without_group(example(), "drphoenix", "portainer_agent"), []),
        (with_host(example(), "portainer", services={}), []),
    ],
)
def test_empty_host(estate: Estate, changes: list[str]) -> None:
    """Agents that name Portainer as a client are registered; without one, or without Portainer, there is no program."""
    assert SimulatedHost().plan(registration(estate)) == changes


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("answer", STATE, [f"update {STATE}"]),
        ("edit", SCRIPT, [f"update file {SCRIPT}"]),
        ("chmod", SCRIPT, [f"update file {SCRIPT}"]),
        ("remove", UNIT, [f"create file {UNIT}"]),
    ],
)
def test_drift(kind: Drift, subject: str, changes: list[str]) -> None:
    """Each drift of the registration is corrected alone."""
    assert drifted(registration(example()), kind, subject) == changes


@pytest.mark.parametrize("after", [NO_AGENT, OTHER_CLIENTS, with_host(example(), "portainer", services={})])
def test_last_agent_goes(after: Estate) -> None:
    """With the last agent its environment goes, then the program and its unit, so that no later start registers it."""
    withdrawn = [f"remove {STATE}"] if "portainer" in after.guest("portainer").services else []
    removed = [f"remove file {UNIT}", f"remove file {SCRIPT}"]
    assert migrated(registration(example()), registration(after)) == [*withdrawn, *removed]


SWAPPED = "/persistent-storage/portainer/certs/portainer-server-client.crt"
CONTAINER = "phoenix-container-portainer.service"


@pytest.mark.parametrize(
    ("said", "drift", "changes"),
    [
        ("registered", None, []),
        ("certificate", None, [f"update {STATE}"]),
        ("certificate", ("edit", SWAPPED), []),
        ("silent", None, [f"update {STATE}"]),
        ("silent", ("stop", CONTAINER), []),
        ("absent certificate", ("edit", SWAPPED), [f"update {STATE}"]),
        ("foreign", ("stop", CONTAINER), [f"update {STATE}"]),
        ("", None, [f"update {STATE}"]),
    ],
)
def test_registration_follows(said: str, drift: tuple[Drift, str] | None, changes: list[str]) -> None:
    """A new leaf registers by itself, and a Portainer that will start is asked afterwards: no change is planned."""
    run, guest = planning_run(example(), AUTHORITY), example().guest("portainer")
    before = (*docker_resources(run, guest), *certificate_resources(run, guest))
    host = SimulatedHost().converge((*before, *portainer_resources(run, guest)))
    host.outputs[STATE] = said
    if drift:
        host.drift(*drift)
    assert host.plan(portainer_resources(run, guest)) == changes
