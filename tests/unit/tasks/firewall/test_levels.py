"""Plans of a hypervisor's firewall: which levels a run touches, and the writes that correct each of them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from phoenix.converge import Plan
from phoenix.derive.firewall import NOT_INTERNET
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Service
from phoenix.run import Run
from phoenix.tasks.firewall.apply import OPENING, apply_cluster_sets, plan_cluster_sets, plan_everything
from phoenix.tasks.firewall.plan import FirewallPlan, plan_firewall, touched, writes_cluster
from phoenix.tasks.firewall.writes import ConcurrentEditError, carry_out
from tests.support.estates import estate, guest
from tests.support.firewall_api import FirewallApi
from tests.support.runs import exists, planning_run, with_host

SERVICES = {"web": Service(port=8000, expose=True)}
SMALL = estate(guest("app", 20, "lxc", services=SERVICES))
EVERY = {"alias local_network", "firewall of cluster", *(f"firewall of {one.name}" for one in SMALL.guests)}
"""A node's own level filters unless it is switched off, so it is not among them."""
APP = "nodes/node/lxc/120/firewall"
CLUSTER = "cluster/firewall"


class Bench:
    """A run on the small estate, its guests running, with an API in memory."""

    def __init__(self, *targets: str, of: Estate = SMALL) -> None:
        configs = {f"nodes/node/lxc/{one.vmid}/config": {"net0": "name=eth0,firewall=1"} for one in of.guests}
        self.api = FirewallApi(configs)
        links: Any = SimpleNamespace(api=lambda _name: self.api)
        self.run: Run = planning_run(of, targets=frozenset(targets) if targets else None, links=links)
        for one in of.guests:
            exists(self.run, one, "running")

    def converge(self) -> Bench:
        """Make every write that is planned."""
        carry_out(self.api, self.plan().writes)  # type: ignore[arg-type]  # the part of the API that is needed
        self.api.writes.clear()
        return self

    def plan(self) -> FirewallPlan:
        """The plan of all phases."""
        return plan_everything(self.run, self.run.estate.hypervisor("pve"))


def summary(plan: Plan) -> list[str]:
    """Verbs and titles of a plan."""
    return [f"{change.verb} {change.resource}" for change in plan.changes]


def titles(plan: Plan) -> set[str]:
    """The levels and sets that a plan is about."""
    return {change.resource for change in plan.changes}


def test_empty_firewall() -> None:
    """An empty firewall gets rules, policies and switches at every level; sets are made by an earlier step."""
    bench = Bench()
    plan = bench.plan()
    assert titles(plan) == EVERY
    assert not plan.is_on
    assert bench.api.writes == []
    paths = {write.path for write in plan.writes}
    assert {f"{CLUSTER}/ipset", f"{CLUSTER}/ipset/management", f"{CLUSTER}/ipset/phoenix-internet"} <= paths


def test_converged_firewall() -> None:
    """A firewall that was brought to the flows needs no change, and filters."""
    plan = Bench().converge().plan()
    assert summary(plan) == []
    assert plan.is_on
    assert plan.writes == []


@pytest.mark.parametrize(
    ("targets", "levels"),
    [
        ((), EVERY),
        (("app",), {"firewall of app"}),
        (("app", "mesh"), {"firewall of app", "firewall of mesh"}),
        (("pve",), {"alias local_network", "firewall of cluster"}),
    ],
)
def test_targets(targets: tuple[str, ...], levels: set[str]) -> None:
    """A run plans the levels of its targets; cluster and node belong to the hypervisor."""
    assert titles(Bench(*targets).plan()) == levels


def test_touched_guests() -> None:
    """Guests that are targeted and exist are planned; their state does not matter."""
    run = planning_run(SMALL, targets=frozenset({"app", "mesh", "edge"}))
    exists(run, SMALL.guest("app"), "running")
    exists(run, SMALL.guest("mesh"), "stopped")
    exists(run, SMALL.guest("ca"), "running")
    assert [one.name for one in touched(run, SMALL.hypervisor("pve"))] == ["mesh", "app"]


Drift = Callable[[FirewallApi], object]


def _option(base: str, **values: str) -> Drift:
    return lambda api: api.level(base)["options"].update(values)


def _foreign(base: str, **fields: str) -> Drift:
    rule = {"type": "in", "action": "DROP", "enable": "1", "proto": "tcp", "dport": "99", **fields}
    return lambda api: api.level(base)["rules"].append(rule)


def _without_rule(base: str) -> Drift:
    return lambda api: api.level(base)["rules"].pop(0)


def _edited_rule(base: str, **fields: str) -> Drift:
    return lambda api: api.level(base)["rules"][0].update(fields)


@pytest.mark.parametrize(
    ("drift", "changes"),
    [
        (_option(CLUSTER, policy_in="ACCEPT"), ["update firewall of cluster"]),
        (_option(CLUSTER, enable="0"), ["update firewall of cluster"]),
        (_option("nodes/node/firewall", enable="0"), ["update firewall of pve"]),
        (_option(APP, policy_out="ACCEPT"), ["update firewall of app"]),
        (_option(APP, enable="0", dhcp="1"), ["update firewall of app", "update firewall of app"]),
        (_without_rule(APP), ["create firewall of app"]),
        (_edited_rule(APP, enable="0"), ["update firewall of app"]),
        (_edited_rule(APP, comment="lost"), ["update firewall of app"]),
        (_foreign(APP), ["remove firewall of app"]),
        (lambda api: api.level(APP)["ipset"].update(own=[]), ["remove set own of app"]),
        (lambda api: api.level(CLUSTER)["ipset"].update(own=[]), []),
        (lambda api: api.level(CLUSTER)["ipset"]["management"].clear(), ["create set management"]),
        (
            lambda api: api.level(CLUSTER)["ipset"]["management"].append({"cidr": "10.0.0.99"}),
            ["remove set management"],
        ),
        (lambda api: api.level(CLUSTER)["aliases"].clear(), ["create alias local_network"]),
        (
            lambda api: api.level(CLUSTER)["aliases"]["local_network"].update(cidr="10.0.0.0/24"),
            ["update alias local_network"],
        ),
    ],
)
def test_drift(drift: Drift, changes: list[str]) -> None:
    """Each drift is corrected by exactly these changes, and another plan after them is empty."""
    bench = Bench().converge()
    drift(bench.api)
    assert summary(bench.plan()) == changes
    assert summary(bench.converge().plan()) == []


def test_order_of_rules() -> None:
    """Rules in another order are moved back, and none is removed or created."""
    bench = Bench().converge()
    rules = bench.api.level(APP)["rules"]
    before = [rule["comment"] for rule in rules]
    rules.reverse()
    assert set(summary(bench.plan())) == {"update firewall of app"}
    bench.converge()
    assert [rule["comment"] for rule in rules] == before


REMOVED = ["remove firewall of app"]


@pytest.mark.parametrize(
    ("policy", "changes", "notes"),
    [(None, REMOVED, 0), ("remove", REMOVED, 0), ("report", [], 1), ("keep", [], 0)],
)
def test_foreign_rules(policy: str | None, changes: list[str], notes: int) -> None:
    """A rule that the inventory does not derive is removed, or stays and is reported, or stays."""
    bench = Bench(of=estate(guest("app", 20, "lxc", services=SERVICES), foreign_rules=policy)).converge()
    _foreign(APP, comment="of the operator")(bench.api)
    plan = bench.plan()
    assert summary(plan) == changes
    assert len(plan.notes) == notes
    assert all("of the operator" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("policy", "changes", "notes"),
    [(None, [], 1), ("remove", ["remove firewall of cluster"], 0), ("keep", [], 0)],
)
def test_rules_of_other_owners(policy: str | None, changes: list[str], notes: int) -> None:
    """A foreign rule of the cluster stays and is reported, also if it opens something, unless the inventory says so."""
    bench = Bench(of=estate(guest("app", 20, "lxc", services=SERVICES), foreign_rules=policy)).converge()
    _foreign(CLUSTER, action="ACCEPT", comment="monitoring")(bench.api)
    plan = bench.plan()
    assert summary(plan) == changes
    assert ["monitoring" in note for note in plan.notes] == [True] * notes


@pytest.mark.parametrize(
    ("targets", "clusters", "writers"),
    [
        ({"a", "b"}, ("one", "one"), ["a"]),
        ({"b"}, ("one", "one"), ["b"]),
        ({"a", "b"}, ("one", "two"), ["a", "b"]),
    ],
)
def test_writer_of_the_cluster(targets: set[str], clusters: tuple[str, str], writers: list[str]) -> None:
    """One node of each cluster that a run touches writes what the cluster shares."""
    node = SMALL.hypervisors[0]
    named = zip("ab", clusters, strict=True)
    nodes = tuple(node.model_copy(update={"name": name, "cluster": cluster}) for name, cluster in named)
    run = planning_run(Estate(settings=SMALL.settings, hypervisors=nodes, guests=()), targets=frozenset(targets))
    assert [one.name for one in nodes if one.name in targets and writes_cluster(run, one)] == writers


def test_removed_service() -> None:
    """A service that is no longer exposed is closed at its guest and at the mesh."""
    bench, after = Bench().converge(), Bench(of=with_host(SMALL, "app", services={}))
    after.api = bench.api
    assert summary(after.plan()) == ["remove firewall of mesh", *["remove firewall of app"] * 2]


@pytest.mark.parametrize(
    ("phases", "methods"),
    [(OPENING, {"post"}), (frozenset(), set())],
)
def test_phases(phases: Any, methods: set[str]) -> None:
    """A plan of the first phases only opens what is declared."""
    bench = Bench()
    plan = plan_firewall(bench.run, SMALL.hypervisor("pve"), phases)
    assert {write.method for write in plan.writes} == methods


def test_unproved_plan() -> None:
    """A rule that stays and opens what is not declared stops the run before any write."""
    bench = Bench(of=estate(guest("app", 20, "lxc", services=SERVICES), foreign_rules="report")).converge()
    _foreign(APP, action="ACCEPT")(bench.api)
    with pytest.raises(TaskFailedError, match=r"tcp 99 .* is not declared"):
        bench.plan()
    assert bench.api.writes == []


SETS = ["create set management", "create set phoenix-internet"]
MEMBERS = ["create set management", *["create set phoenix-internet"] * (3 + len(NOT_INTERNET))]


@pytest.mark.parametrize(
    ("existing", "changes"),
    [
        ((), [SETS[0], MEMBERS[0], SETS[1], *MEMBERS[1:]]),
        (("management",), [SETS[1], *MEMBERS[1:]]),
        (("management", "phoenix-internet"), []),
        (("own",), [SETS[0], MEMBERS[0], SETS[1], *MEMBERS[1:]]),
    ],
)
def test_cluster_sets(existing: tuple[str, ...], changes: list[str]) -> None:
    """Sets that guests' rules name are created with their members; those that exist are left as they are."""
    bench, node = Bench(), SMALL.hypervisor("pve")
    bench.api.level(CLUSTER)["ipset"].update({name: [] for name in existing})
    plan = plan_cluster_sets(bench.run, node)
    assert summary(plan) == changes
    assert bench.api.writes == []
    assert summary(apply_cluster_sets(bench.run, node, plan)) == changes
    assert summary(plan_cluster_sets(bench.run, node)) == []


def test_concurrent_edit() -> None:
    """A list of rules that was edited after the plan is left alone; the error gives the writes made before it."""
    bench = Bench().converge()
    bench.api.level(CLUSTER)["ipset"]["management"].clear()
    _without_rule(APP)(bench.api)
    writes = bench.plan().writes
    _foreign(APP)(bench.api)
    with pytest.raises(ConcurrentEditError, match="the rules of app are not those that were read") as edit:
        carry_out(bench.api, writes)  # type: ignore[arg-type]  # the part of the API that is needed
    assert edit.value.made == (writes[0],)
    assert bench.api.writes == [f"post {CLUSTER}/ipset/management"]
