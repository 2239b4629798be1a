"""runbooks/dns.py as an operator uses it: the list of names, and the answer of each view with its reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from phoenix.derive.dns_answers import answer
from phoenix.derive.names import records
from phoenix.derive.routes import routes
from phoenix.estate import Estate
from phoenix.runbooks import dns
from tests.support.estates import estates
from tests.support.inventories import example
from tests.support.places import ROOT


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the runbook in the repository."""
    monkeypatch.chdir(ROOT)
    return dns.main(words)


def test_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every name is listed with both answers and the line that it comes from."""
    assert run(monkeypatch) == 0
    out = capsys.readouterr().out
    assert out.endswith(f"\n{len(records(example()))} names; every other name of the zones does not exist\n")
    line = next(line for line in out.splitlines() if line.startswith("qdrant."))
    assert line.split()[1:4] == ["10.0.0.153", "10.0.0.12", "vm"]
    assert " inventory/hosts.yaml:" in line


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The list is available as JSON; the line of a guest's name is that of the guest in the inventory."""
    assert run(monkeypatch, "--format", "json") == 0
    names = json.loads(capsys.readouterr().out)
    lines = (ROOT / "inventory/hosts.yaml").read_text("utf-8").splitlines()
    for one in names:
        label = one["name"].split(".")[0]
        if one["purpose"] == "guest":
            assert lines[one["line"] - 1].startswith(f"{label}:")


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("qdrant", 0, "LAN view: 10.0.0.153\n  guest view: 10.0.0.12\n  exposed service"),
        ("QDRANT.internal.thinkheads.ai.", 0, "guest view: 10.0.0.12"),
        ("ca", 0, "10.0.0.10\n  the CA, always connected to directly"),
        ("phoenix", 0, "10.0.0.13\n  hypervisor"),
        ("10.0.0.12", 0, "LAN view: NXDOMAIN: the name does not exist\n  guest view: traefik.internal.thinkheads.ai"),
        ("10.0.0.77", 1, "the inventory does not declare it; queries for 0.0.10.in-addr.arpa are not forwarded"),
        ("192.0.2.1", 0, "it is in no zone of the estate"),
        ("unknown", 1, "NXDOMAIN: the name does not exist\n  the inventory does not declare it"),
        ("a.b.phoenix.local", 1, "queries for phoenix.local are not forwarded"),
        ("example.org", 0, "queries are forwarded to 8.8.8.8 or 1.1.1.1"),
        ("notinternal.thinkheads.ai", 0, "it is in no zone of the estate"),
    ],
)
def test_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, status: int, says: str
) -> None:
    """The answer of each view is printed with its reason; a name of the zones that does not exist gives status 1."""
    assert run(monkeypatch, "--why", name) == status
    assert says in capsys.readouterr().out


@settings(max_examples=40, deadline=None)
@given(small=estates())
def test_names_and_routes_of_any_estate(small: Estate) -> None:
    """No name is duplicate or dangling, no query is forwarded to the estate itself, and routes match the names."""
    own = {address for node in small.hypervisors for address in (node.address, node.guest_resolver)}
    assert own.isdisjoint(small.settings.network.upstream_dns)
    every = records(small)
    assert len({one.name for one in every}) == len(every)
    addresses = {host.address for host in small.live()} | set(small.settings.records.values())
    addresses |= {address for guest in small.guests for address in guest.records.values()}
    assert {one.lan for one in every} | {one.guest for one in every} <= addresses
    routed = [name for route in routes(small) for name in route.hosts]
    assert len(set(routed)) == len(routed)
    edge, mesh = small.guest_with("nginx").address, small.guest_with("traefik").address
    assert set(routed) == {one.name for one in every if (one.lan, one.guest) == (edge, mesh)}
    assert all(answer(small, one.name).record == one for one in every)
