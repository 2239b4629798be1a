"""What a hypervisor's web server presents, with and without a certificate of the estate."""

from __future__ import annotations

import pytest

from phoenix.converge import Resource
from phoenix.converge.host_session import probes_of
from phoenix.estate import Estate
from phoenix.tasks.certificates.issue import issue_certificates
from phoenix.tasks.certificates.stages import web_certificates
from phoenix.tasks.certificates.web_certificate import present_web_certificate, web_certificate_resources
from tests.support.converged import Drift, SimulatedHost, drifted, migrated
from tests.support.estate_ca import AUTHORITY
from tests.support.estates import estate
from tests.support.runs import planning_run, with_host

UNIT = "/etc/systemd/system/phoenix-web-certificate.service"
TITLE = "web certificate of pve"
OFF = estate()
ON = with_host(OFF, "pve", web_certificate=True)


def web(*, on: bool) -> tuple[Resource, ...]:
    """What the hypervisor should present."""
    of = ON if on else OFF
    return web_certificate_resources(planning_run(of), of.hypervisor("pve"))


@pytest.mark.parametrize(
    ("resources", "changes"),
    [(web(on=True), [f"create file {UNIT}", f"update {TITLE}"]), (web(on=False), [])],
)
def test_empty_host(resources: tuple[Resource, ...], changes: list[str]) -> None:
    """The unit that hands the certificate over is written first; a node without one keeps its own."""
    assert SimulatedHost().plan(resources) == changes


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("answer", TITLE, [f"update {TITLE}"]),
        ("edit", UNIT, [f"update file {UNIT}"]),
        ("remove", UNIT, [f"create file {UNIT}"]),
        ("chmod", UNIT, [f"update file {UNIT}"]),
    ],
)
def test_drift(kind: Drift, subject: str, changes: list[str]) -> None:
    """Each drift is corrected alone; the unit runs only when it is started."""
    assert drifted(web(on=True), kind, subject) == changes


def test_switched_off() -> None:
    """Without the option the unit and the certificate go."""
    host = SimulatedHost().converge(web(on=True))
    host.outputs[TITLE] = "that of the estate"
    assert host.plan(web(on=False)) == [f"remove file {UNIT}", f"remove {TITLE}"]
    assert host.converge(web(on=False)).plan(web(on=False)) == []


def test_switched_on() -> None:
    """With the option a node that presents its own certificate gets one of the estate."""
    assert migrated(web(on=False), web(on=True)) == [f"create file {UNIT}", f"update {TITLE}"]


@pytest.mark.parametrize("of", [OFF, ON], ids=["off", "on"])
def test_observed_ahead(of: Estate) -> None:
    """The observation of a deployment contains what the stage compares, so that it asks the node nothing again."""
    run = planning_run(of, AUTHORITY)
    (step,), node = web_certificates().steps, of.hypervisor("pve")
    compared = [*issue_certificates.resources(run, node), *present_web_certificate.resources(run, node)]
    assert probes_of(compared) == probes_of(step.resources(run, node)) != set()
