"""The product plans, from what a real Proxmox VE 8.4 node answered, what it changed there when it was recorded.

Guests carried no tag and no note of an owner then, so today's plans adopt them: those options are compared apart.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import parse_qsl

import pytest

from phoenix.connections.links import Links
from phoenix.derive.ownership import owner_tag
from phoenix.estate import Estate, Guest, Template
from phoenix.pve.firewall.plan.level import WritePhase
from phoenix.pve.properties import parse
from phoenix.run import Run
from phoenix.run.context import Consent
from phoenix.tasks.firewall.plan import FirewallPlan, plan_firewall
from phoenix.tasks.hosts.guest import apply_guest, plan_guest
from phoenix.tasks.hosts.guest_plan import GuestPlan
from phoenix.tasks.support.guests import list_guests
from tests.support.pve_schema_server import ORACLES, complaints, specification
from tests.support.recorded_api import RecordedApi, RecordedLinks
from tests.support.recorded_estate import recorded_estate
from tests.support.recordings import Exchange, Session, sessions
from tests.support.runs import planning_run

OK = 200
PVE_8 = "pve-8.4.trim.json.gz"
OWNERSHIP = ("tags", "description")
INTERNET = "/ipset/phoenix-internet"
"""The set of the Internet's addresses has left out private networks since the recordings."""
SESSIONS = {str(session): session for session in sessions()}


def begun(name: str) -> tuple[Run, RecordedApi]:
    """Begin a run at the node as a recorded session met it."""
    session = SESSIONS[name]
    api = RecordedApi(session)
    estate = recorded_estate(with_vm=session.run.startswith("vm"))
    run = planning_run(estate, targets=targets(estate, session), links=cast("Links", RecordedLinks(api)))
    run.guests.learn(list_guests(cast("Any", api), "phoenix"))
    run.consent = Consent(adopted=run.targets)
    return run, api


def targets(estate: Estate, session: Session) -> frozenset[str]:
    """Return the hosts that a session was about: the node, and each machine of which it read or changed something."""
    machines = (*estate.guests, *estate.templates)
    paths = " ".join(f"{exchange.place}/" for exchange in session.exchanges)
    return frozenset({"pve", *(machine.name for machine in machines if f"/{machine.vmid}/" in paths)})


def firewall(run: Run) -> FirewallPlan:
    """Plan the firewall of the node and of its guests."""
    return plan_firewall(run, run.estate.hypervisor("pve"), frozenset(WritePhase))


def writes(run: Run) -> list[tuple[str, str, dict[str, str]]]:
    """The planned writes of the firewall, except for those of the set of the Internet's addresses."""
    planned = [(w.method.upper(), f"/{w.path}", dict(w.fields)) for w in firewall(run).writes]
    return [write for write in planned if INTERNET not in write[1]]


def guests(run: Run) -> dict[int, GuestPlan]:
    """Plan every guest and template that exists, by vmid."""
    machines: tuple[Guest | Template, ...] = (*run.estate.templates, *run.estate.guests)
    known = [one for one in machines if one.vmid in run.guests and one.name in run.targets]
    return {machine.vmid: plan_guest(run, machine) for machine in known}


def without_ownership(plan: GuestPlan) -> dict[str, str | None]:
    """Return the options that a plan sends, except for those that tell the owner."""
    return {key: value for key, value in plan.options.items() if key not in OWNERSHIP}


def recorded_writes(session: Session, *words: str) -> list[Exchange]:
    """Return the writes of a session whose path has one of the words."""
    return [e for e in session.exchanges if e.method != "GET" and any(word in e.path for word in words)]


def as_sent(options: dict[str, str | None]) -> dict[str, Any]:
    """Return options with the properties of an interface in any order."""
    return {key: parse(str(value)) if key.startswith("net") else value for key, value in options.items()}


def as_write(exchange: Exchange) -> tuple[str, str, dict[str, str]]:
    """Return a recorded write as a plan has it: the digest is added when it is sent."""
    fields = {**exchange.fields, **dict(parse_qsl(exchange.path.partition("?")[2]))}
    return exchange.method, exchange.place, {key: value for key, value in fields.items() if key != "digest"}


@pytest.mark.parametrize("name", ["clean4-1", "deploy5-1"])
def test_unchanged_node(name: str) -> None:
    """A node that is as declared needs nothing but the ownership of its guests."""
    run, _ = begun(name)
    plans = guests(run)
    assert sorted(plans) == [101, 102, 103, 900, 901, 914]
    for vmid, plan in plans.items():
        assert without_ownership(plan) == {}
        assert plan.options["tags"] == f"phoenix;{owner_tag(run.estate, vmid)}"
        others = (plan.grows, *plan.mounts.sets, *plan.mounts.removals, *plan.firewall, plan.starts, plan.restarts)
        assert not any(others)
        assert [change.verb for change in plan.changes] == ["adopt", "update"]
    assert writes(run) == []


@pytest.mark.parametrize(
    ("name", "vmid", "restarts"), [("drift1-1", 914, False), ("drift2-1", 914, True), ("vmdrift-2", 1002, True)]
)
def test_drifted_guest(name: str, vmid: int, restarts: bool) -> None:  # noqa: FBT001  # a column of the table
    """The options that were sent to correct a guest are planned, with the restart that they need; others are untouched.

    The recorded version forgot that a VM reads cloud-init options when it starts.
    """
    run, _ = begun(name)
    plans = guests(run)
    sent = dict(recorded_writes(SESSIONS[name], f"/{vmid}/config")[0].fields)
    sent.pop("tags", None)
    assert as_sent(without_ownership(plans[vmid])) == as_sent({**sent})
    assert {other: without_ownership(plan) for other, plan in plans.items() if without_ownership(plan)} == {
        vmid: without_ownership(plans[vmid])
    }
    assert plans[vmid].restarts is restarts
    assert writes(run) == []


def test_drifted_firewall() -> None:
    """The writes that corrected the firewall are planned, and no others."""
    run, _ = begun("drift3-1")
    recorded = [as_write(exchange) for exchange in recorded_writes(SESSIONS["drift3-1"], "/firewall/")]
    assert writes(run) == [write for write in recorded if INTERNET not in write[1]]


def test_half_created_guest() -> None:
    """A stopped guest gets the rest of its firewall before it starts: the recorded version started it first."""
    run, _ = begun("half-1")
    plan = guests(run)[914]
    opened = [as_write(e) for e in recorded_writes(SESSIONS["half-1"], "/lxc/914/firewall/")]
    planned = [(w.method.upper(), f"/{w.path}", dict(w.fields)) for w in plan.firewall]
    assert (plan.starts, plan.grows) == (True, True)
    assert sorted(map(str, planned)) == sorted(map(str, opened))


@pytest.mark.parametrize(
    ("name", "created"),
    [
        ("clean1-1", ["copy-base", "copy-cuda", "step-ca", "nginx-gateway", "traefik", "ollama"]),
        ("vmt-2", ["ubuntu-2404-cloud-template"]),
        ("vm1-1", ["drphoenix"]),
    ],
)
def test_creations(name: str, created: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent to create guests is what the real node accepted, and the ownership, which is valid by its schema."""
    monkeypatch.setattr("phoenix.tasks.hosts.guest.wait_until_ready", lambda *_: None)
    run, api = begun(name)
    for host in created:
        machine = run.estate.host(host)
        assert isinstance(machine, Guest | Template)
        plan = plan_guest(run, machine)
        assert plan.creates
        apply_guest(run, machine, plan)
        if isinstance(machine, Template):
            run.guests.note(machine, "stopped")
    accepted = [as_write(e) for e in recorded_writes(SESSIONS[name], "/lxc", "/qemu") if e.status == OK]
    sent = [write for write in api.writes if not write[2] or _plain(write[2])]
    spec = specification(PVE_8 if (ORACLES / PVE_8).exists() else "newest")
    assert [text for write in api.writes for text in complaints(spec, *write)] == []
    missing = [
        write for write in sent if (*write[:2], _plain(write[2])) not in [(*w[:2], _plain(w[2])) for w in accepted]
    ]
    assert missing == []


def _plain(fields: dict[str, str]) -> dict[str, Any]:
    """Return fields without ownership, and with the properties of an interface in any order."""
    return as_sent({key: value for key, value in fields.items() if key not in OWNERSHIP})
