"""Giving up the CA: its state is marked, so that the deployment archives it and creates another."""

from __future__ import annotations

import re

import pytest

from phoenix.converge import Plan
from phoenix.tasks.authority.reset import apply_reset, plan_reset
from phoenix.tasks.authority.service import state_resources
from tests.support.converged import Drift, SimulatedHost
from tests.support.estate_ca import AUTHORITY
from tests.support.estates import estate
from tests.support.runs import planning_run
from tests.support.sessions import SimulatedSession

STATE = "/etc/step-ca/ssl"
SMALL = estate()
CA = SMALL.guest_with("step_ca")


def with_state(*drifts: tuple[Drift, str]) -> SimulatedHost:
    """The CA's guest with a state, and then some drifts."""
    host = SimulatedHost().converge(state_resources(planning_run(SMALL), CA))
    for kind, path in drifts:
        host.drift(kind, f"{STATE}/{path}")
    return host


@pytest.mark.parametrize(
    ("host", "is_marked"),
    [
        (SimulatedHost(), False),
        (with_state(), True),
        (with_state(("edit", "config/ca.json")), True),
        (with_state(("remove", "certs/root_ca.crt"), ("remove", "db")), True),
        (with_state(("add", ".init")), False),
        (with_state(("add", ".reset")), False),
    ],
)
def test_plan(host: SimulatedHost, is_marked: bool) -> None:  # noqa: FBT001  # a column of the table
    """Any state is marked, a damaged one too; one that is absent, being created or already marked is not."""
    run = planning_run(SMALL, AUTHORITY)
    run._sessions[CA.name] = SimulatedSession(CA.name, host)
    changes = plan_reset(run, CA).changes
    assert [f"{change.verb} {change.resource}" for change in changes] == [f"remove authority in {STATE}"] * is_marked


def test_mark() -> None:
    """The mark is written in one step and names the archive of the plan; the authority is unknown after that."""
    run, session = planning_run(SMALL, AUTHORITY), SimulatedSession(CA.name, with_state())
    run._sessions[CA.name] = session
    plan = plan_reset(run, CA)
    (change,) = plan.changes
    stamp = re.fullmatch(rf"archived in {STATE}/archive-(\d{{8}}T\d{{6}})", change.reason)
    assert stamp is not None
    assert change.script.startswith(f"printf %s {stamp[1]} >{STATE}/.reset.new")
    assert change.script.endswith(f"mv -fT {STATE}/.reset.new {STATE}/.reset")
    assert session.applied == []
    assert apply_reset(run, CA, plan) == plan
    assert session.applied == [plan.changes]
    assert run.known_authority is None


def test_absent_guest() -> None:
    """A CA whose guest does not exist has no state that could be given up."""
    assert plan_reset(planning_run(SMALL), CA) == Plan()
