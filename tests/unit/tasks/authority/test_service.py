"""The CA's guest: its state is created once and never repaired, everything that follows from it is converged."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest

from phoenix.converge import Resource
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate
from phoenix.pki.ca.config import ANNOUNCED, NEXT_PAIR, NEXT_ROOT, SETTLED, Signing
from phoenix.tasks.authority.service import ca_resources, service_resources, state_resources
from tests.support.converged import Drift, Entry, SimulatedHost, drifted
from tests.support.estate_ca import INTERMEDIATE, OTHER_ROOT
from tests.support.estates import estate
from tests.support.inventories import example
from tests.support.runs import planning_run

STATE = "/etc/step-ca/ssl"
CONFIG = f"{STATE}/config/ca.json"
UNIT = "/etc/systemd/system/step-ca.service"
RELOAD = "/usr/local/lib/phoenix/reload-step-ca"
PUBLISHED = [f"{STATE}/{name}" for name in ("phoenix_ca_bundle.crt", "phoenix_ca.crt", "phoenix_ca_issuer.crt")]
SMALL = estate()


def ca(of: Estate = SMALL) -> tuple[Resource, ...]:
    """What the CA's guest of an estate should have."""
    return ca_resources(planning_run(of), of.guest_with("step_ca"))


def service(signs: Signing | None = None) -> tuple[Resource, ...]:
    """What follows from the state, perhaps in a step of a rotation."""
    return service_resources(planning_run(SMALL), SMALL.guest_with("step_ca"), signs)


def converged() -> SimulatedHost:
    """A host with a CA."""
    return SimulatedHost().converge(ca())


DAEMON = [
    "create directory /usr/local/lib/phoenix",
    f"create file {RELOAD}",
    f"create file {UNIT}",
    "enable unit step-ca.service",
    "start unit step-ca.service",
]


@pytest.mark.parametrize("of", [SMALL, example()])
def test_empty_host(of: Estate) -> None:
    """The state is created before the daemon; what follows from it is planned once it is there."""
    assert SimulatedHost().plan(ca(of)) == ["create user step", f"create authority in {STATE}", *DAEMON]


def test_new_state() -> None:
    """On a new state ca.json is limited to the estate's settings, and the certificates are published."""
    (user, state) = state_resources(planning_run(SMALL), SMALL.guest_with("step_ca"))
    host = SimulatedHost().converge((user, state))
    assert host.plan((user, state)) == []
    assert host.plan(service()) == [
        *DAEMON[:2],
        f"create file {PUBLISHED[0]}",
        f"update file {CONFIG}",
        *DAEMON[2:],
        *(f"create file {path}" for path in PUBLISHED[1:]),
    ]


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        ("answer", "user step", ["create user step"]),
        ("edit", RELOAD, [f"update file {RELOAD}"]),
        ("chmod", CONFIG, [f"update file {CONFIG}", "reload unit step-ca.service"]),
        *(("edit", path, [f"update file {path}"]) for path in PUBLISHED),
        *(("remove", path, [f"create file {path}"]) for path in PUBLISHED),
        ("edit", UNIT, [f"update file {UNIT}", "restart unit step-ca.service"]),
        ("stop", "step-ca.service", ["start unit step-ca.service"]),
        ("disable", "step-ca.service", ["enable unit step-ca.service"]),
        *(("add", f"{STATE}/{name}", [f"remove file {STATE}/{name}"]) for name in (".next", ".done", ".previous")),
        ("add", f"{STATE}/.init", [f"create authority in {STATE}"]),
        ("add", f"{STATE}/.reset", [f"create authority in {STATE}"]),
        ("remove", f"{STATE}/secrets/root_ca_key", []),
    ],
)
def test_drift(kind: Drift, subject: str, changes: list[str]) -> None:
    """What follows from the state is corrected; the root's key may be offline; a begun state is completed."""
    assert drifted(ca(), kind, subject) == changes


@pytest.mark.parametrize(
    ("kind", "path", "reason"),
    [
        ("remove", "certs/root_ca.crt", "certs/root_ca.crt missing or empty"),
        ("remove", "secrets/intermediate_ca_key", "secrets/intermediate_ca_key missing or empty"),
        ("remove", "secrets/provisioner_password", "secrets/provisioner_password missing or empty"),
        ("remove", "db", "db missing or empty"),
        ("edit", "certs/intermediate_ca.crt", "certs/intermediate_ca.crt is no certificate"),
        ("edit", "config/ca.json", "config/ca.json cannot be read"),
        ("add", ".restore", "interrupted"),
    ],
)
def test_damage_is_refused(kind: Drift, path: str, reason: str) -> None:
    """A damaged state is refused with what is wrong and both ways out, and no change is planned."""
    with pytest.raises(TaskFailedError, match=rf"damaged: .*{reason}.*restore FILE.*--reset-ca.*was changed"):
        drifted(ca(), kind, f"{STATE}/{path}")


def test_uncovered_names_are_refused() -> None:
    """A root that may not sign for a zone of the inventory is not used; the command that replaces it is named."""
    settings = SMALL.settings.model_copy(update={"alias_zones": ("elsewhere.test",)})
    other = Estate(settings=settings, hypervisors=SMALL.hypervisors, guests=SMALL.guests)
    with pytest.raises(TaskFailedError, match=r"elsewhere\.test.*phoenix rotate --root"):
        converged().plan(ca(other))


@pytest.mark.parametrize(
    "edit",
    [
        {"address": ":443"},
        {"dnsNames": ["other.test"]},
        {"crt": "/tmp/other.crt"},
    ],
)
def test_edited_settings(edit: dict[str, object]) -> None:
    """A setting of ca.json that differs in meaning is corrected and reloaded; the order of its keys means nothing."""
    host = converged()
    config = json.loads(host.paths[CONFIG].content)
    host.paths[CONFIG].content = json.dumps(config, sort_keys=True, indent=7).encode()
    assert host.plan(ca()) == []
    host.paths[CONFIG].content = json.dumps({**config, **edit}).encode()
    assert host.plan(ca()) == [f"update file {CONFIG}", "reload unit step-ca.service"]


@pytest.mark.parametrize(
    ("signs", "changes"),
    [
        (None, []),
        (SETTLED, []),
        (ANNOUNCED, [f"update file {PUBLISHED[0]}", f"update file {CONFIG}", "reload unit step-ca.service"]),
    ],
)
def test_step_of_a_rotation(signs: Signing | None, changes: list[str]) -> None:
    """A rotation announces its next root in the bundle and in ca.json; a deployment leaves what signs as it is."""
    host = deepcopy(converged())
    for path, pem in ((NEXT_ROOT, OTHER_ROOT), (NEXT_PAIR[0], INTERMEDIATE)):
        host.paths[f"{STATE}/{path}"] = Entry(pem.encode(), "step:step")
    assert host.plan(service(signs)) == changes
