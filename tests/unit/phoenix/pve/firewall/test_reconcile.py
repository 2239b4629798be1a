"""Levels against what is wanted: the smallest writes, in an order in which no moment is worse than before or after."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix.derive.firewall import NODE, Level, cluster_firewall, guest_firewall
from phoenix.estate import Guest
from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Entry, Firewall, GuestScope, Listed, Scope
from phoenix.pve.firewall.model.evaluate import OUTSIDE, Packet, judge
from phoenix.pve.firewall.model.from_estate import derived_firewall
from phoenix.pve.firewall.model.intervals import number
from phoenix.pve.firewall.plan.after_plan import Surroundings, planned_firewall, prove_planned
from phoenix.pve.firewall.plan.reconcile import LevelPlan, Place, Write, in_order, plan_level
from tests.support.inventories import example

GUESTS = ("traefik", "drphoenix", "portainer")
CLUSTER, PVE = Place("cluster", "cluster", "cluster/firewall"), Place("node", "pve", "nodes/phoenix/firewall")
Drift = Callable[[Scope], Scope]
HANDMADE: Listed = {"type": "in", "action": "ACCEPT", "enable": 1, "proto": "tcp", "dport": "2375", "comment": "mine"}


def place(name: str) -> Place:
    """A guest's level."""
    guest = example().host(name)
    assert isinstance(guest, Guest)
    return Place("guest", name, f"guests/{guest.vmid}/firewall", guest.vmid)


def wanted() -> dict[Place, Level]:
    """The levels that are looked at, as they should be."""
    estate = example()
    guests = {place(name): guest_firewall(estate, estate.host(name)) for name in GUESTS}  # type: ignore[arg-type]  # guests
    return {CLUSTER: cluster_firewall(estate), PVE: NODE, **guests}


def scopes(firewall: Firewall) -> dict[Place, Scope]:
    """The same levels as they are."""
    guests = {place(name): firewall.guests[place(name).vmid].scope for name in GUESTS}
    return {CLUSTER: firewall.cluster, PVE: firewall.nodes["pve"], **guests}


def plans(seen: dict[Place, Scope], policy: Any = "remove") -> list[LevelPlan]:
    """What is to be done at each level."""
    return [plan_level(one, level, seen[one], policy) for one, level in wanted().items()]


def after(seen: dict[Place, Scope], write: Write) -> dict[Place, Scope]:
    """The levels after a write, as the API documents it."""
    scope = seen[write.place]
    what, *path = write.path.removeprefix(f"{write.place.base}/").split("/", 2)
    match what:
        case "options":
            scope = replace(scope, options={**scope.options, **write.fields})
        case "aliases" if write.method == "delete":
            scope = replace(scope, aliases={k: v for k, v in scope.aliases.items() if k != path[0]})
        case "aliases":
            name = write.fields.get("name") or path[0]
            scope = replace(scope, aliases={**scope.aliases, name: write.fields["cidr"]})
        case "ipset":
            scope = replace(scope, ipsets=_ipsets(dict(scope.ipsets), write, path))
        case _:
            scope = replace(scope, rules=_rules(list(scope.rules), write, path))
    return {**seen, write.place: scope}


def _ipsets(ipsets: dict[str, tuple[Entry, ...]], write: Write, path: list[str]) -> dict[str, tuple[Entry, ...]]:
    if not path:
        return {**ipsets, write.fields["name"]: ()}
    if len(path) == 1 and write.method == "delete":
        return {name: entries for name, entries in ipsets.items() if name != path[0]}
    cidr = write.fields.get("cidr") or unquote(path[1])
    kept = tuple(entry for entry in ipsets[path[0]] if entry.cidr != cidr)
    new = () if write.method == "delete" else (Entry(cidr, write.fields.get("nomatch") == "1"),)
    return {**ipsets, path[0]: (*kept, *new)}


def _rules(rules: list[Listed], write: Write, path: list[str]) -> tuple[Listed, ...]:
    if write.method == "post":
        return (dict(write.fields), *rules)
    position = int(path[0])
    if write.method == "delete":
        return (*rules[:position], *rules[position + 1 :])
    if "moveto" in write.fields:
        goal, rule = int(write.fields["moveto"]), rules.pop(position)
        rules.insert(goal - (position < goal), rule)
        return tuple(rules)
    gone = write.fields.get("delete", "").split(",")
    kept = {key: value for key, value in rules[position].items() if key not in gone}
    rules[position] = kept | {key: value for key, value in write.fields.items() if key != "delete"}
    return tuple(rules)


def rules_of(change: Callable[[list[Listed]], list[Listed]]) -> Drift:
    """An edit of a list of rules."""
    return lambda scope: replace(scope, rules=tuple(change(list(scope.rules))))


def option(name: str, value: object) -> Drift:
    """An edit of an option."""
    return lambda scope: replace(scope, options={**scope.options, name: value})


DRIFTS: dict[str, tuple[Place, Drift, list[tuple[str, str]]]] = {
    "nothing": (CLUSTER, lambda scope: scope, []),
    "a rule edited": (place("traefik"), rules_of(lambda r: [{**r[0], "dport": "1"}, *r[1:]]), [("put", "rules/0")]),
    "a rule off": (place("traefik"), rules_of(lambda r: [{**r[0], "enable": 0}, *r[1:]]), [("put", "rules/0")]),
    "a rule added": (place("traefik"), rules_of(lambda r: [HANDMADE, *r]), [("delete", "rules/0")]),
    "a rule moved": (place("traefik"), rules_of(lambda r: [*r[1:], r[0]]), [("put", "rules/11")]),
    "a rule gone": (place("traefik"), rules_of(lambda r: r[1:]), [("post", "rules")]),
    "a policy": (place("traefik"), option("policy_in", "ACCEPT"), [("put", "options")]),
    "a guest off": (place("traefik"), option("enable", 0), [("put", "options")]),
    "the cluster off": (CLUSTER, option("enable", 0), [("put", "options")]),
    "the node off": (PVE, option("enable", 0), [("put", "options")]),
    "an alias": (
        CLUSTER,
        lambda scope: replace(scope, aliases={"local_network": "10.0.0.0/24"}),
        [("put", "aliases/local_network")],
    ),
    "a member more": (
        CLUSTER,
        lambda scope: replace(scope, ipsets={**scope.ipsets, "management": (Entry("10.0.0.20"), Entry("10.0.0.9"))}),
        [("delete", "ipset/management/10.0.0.9")],
    ),
    "a member less": (
        CLUSTER,
        lambda scope: replace(scope, ipsets={**scope.ipsets, "management": ()}),
        [("post", "ipset/management")],
    ),
    "a hole filled": (
        CLUSTER,
        lambda scope: replace(
            scope,
            ipsets={**scope.ipsets, "phoenix-internet": (*scope.ipsets["phoenix-internet"][:2], Entry("10.0.0.0/24"))},
        ),
        [("put", "ipset/phoenix-internet/10.0.0.0%2F24")],
    ),
    "a stranger that drops": (
        place("traefik"),
        rules_of(lambda r: [{"type": "in", "action": "DROP", "enable": 1}, *r]),
        [("delete", "rules/0")],
    ),
    "a set that hides the cluster's": (
        place("traefik"),
        lambda scope: replace(scope, ipsets={"phoenix-internet": (Entry("10.0.0.0/8"),)}),
        [("delete", "ipset/phoenix-internet")],
    ),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_drift_is_undone_by_the_smallest_write(name: str) -> None:
    """Each kind of drift is found, and one write undoes it."""
    where, drift, expected = DRIFTS[name]
    seen = scopes(derived_firewall(example()))
    seen[where] = drift(seen[where])
    writes = in_order(plans(seen))
    paths = [(write.method, write.path.removeprefix(f"{where.base}/")) for write in writes]
    if name == "a rule moved":
        assert [method for method, _ in paths] == ["put"]
        assert writes[0].fields == {"moveto": "0"}
    else:
        assert paths == expected
    for write in writes:
        seen = after(seen, write)
    assert in_order(plans(seen)) == []


@settings(max_examples=15, deadline=None)
@given(
    names=st.lists(st.sampled_from(sorted(set(DRIFTS) - {"nothing"})), min_size=1, max_size=5, unique=True),
    seed=st.integers(0, 999),
)
def test_no_moment_is_worse(names: list[str], seed: int) -> None:
    """After each write, whatever is declared and was open stays open, and nothing opens that is neither."""
    firewall = derived_firewall(example())
    seen = scopes(firewall)
    for name in random.Random(seed).sample(names, len(names)):
        where, drift, _ = DRIFTS[name]
        seen[where] = drift(seen[where])
    declared, before = open_(firewall), open_(with_levels(firewall, seen))
    for write in in_order(plans(seen)):
        seen = after(seen, write)
        now = open_(with_levels(firewall, seen))
        assert declared & before <= now, f"{write.path} closes {sorted(map(str, declared & before - now))[:3]}"
        assert now <= declared | before, f"{write.path} opens {sorted(map(str, now - declared - before))[:3]}"
    assert open_(with_levels(firewall, seen)) == declared


def with_levels(firewall: Firewall, seen: dict[Place, Scope]) -> Firewall:
    """The firewall of the estate with these levels."""
    guests = {one.vmid: GuestScope(seen[one], firewall.guests[one.vmid].nics) for one in seen if one.kind == "guest"}
    return replace(firewall, cluster=seen[CLUSTER], nodes={"pve": seen[PVE]}, guests={**firewall.guests, **guests})


@cache
def packets() -> tuple[Packet, ...]:
    """Packets between the looked-at hosts, the node, a manager and the world, to ports of interest."""
    ends: list[tuple[Any, str]] = [(place(name).vmid, str(place_address(name))) for name in GUESTS]
    ends += [("pve", "10.0.0.13"), (OUTSIDE, "10.0.0.20"), (OUTSIDE, "10.0.0.9"), (OUTSIDE, "192.0.2.7")]
    return tuple(
        Packet(sender, receiver, number(source), number(dest), "tcp", port)
        for (sender, source), (receiver, dest) in product(ends, ends)
        for port in (22, 443, 2375, 6333, 8006, 9001, 1)
        if sender != receiver
    )


def place_address(name: str) -> object:
    """A guest's address."""
    return getattr(example().host(name), "address")  # noqa: B009  # a guest's, whatever its kind


def open_(firewall: Firewall) -> set[Packet]:
    """The packets that a firewall lets through."""
    chains = Chains(firewall)
    return {packet for packet in packets() if judge(chains, packet).action == "ACCEPT"}


NOTHING = Surroundings({}, {}, "iptables")


@pytest.mark.parametrize(
    ("policy", "rule", "holds"),
    [
        ("remove", HANDMADE, True),
        ("report", HANDMADE, False),
        ("keep", HANDMADE, True),
        ("report", {**HANDMADE, "enable": 0}, True),
        ("keep", {**HANDMADE, "action": "DROP"}, True),
        ("report", {**HANDMADE, "dport": ",".join(map(str, range(16)))}, True),
    ],
)
def test_foreign_rules_in_the_proof(policy: Any, rule: Listed, *, holds: bool) -> None:
    """A foreign rule that stays and opens something stops a run, unless the inventory keeps such rules."""
    estate = example()
    estate = estate.model_copy(update={"settings": estate.settings.model_copy(update={"foreign_rules": policy})})
    seen = scopes(derived_firewall(estate))
    where = place("traefik")
    seen[where] = replace(seen[where], rules=(rule, *seen[where].rules))
    proof = prove_planned(estate, planned_firewall(estate, plans(seen, policy), NOTHING))
    assert proof.holds is holds
    if not holds:
        assert "mine" in str(proof.violations[0])
