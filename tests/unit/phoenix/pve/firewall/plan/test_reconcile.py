"""Plans of levels: the fewest writes, in an order in which no intermediate state is worse than before or after."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Firewall, IpSetEntry, LevelConfig, ListedRule
from phoenix.pve.firewall.model.evaluate import OUTSIDE, Packet, evaluate
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.model.intervals import address_to_int
from phoenix.pve.firewall.plan.level import FirewallLevel, in_order
from tests.support.inventories import example
from tests.unit.phoenix.pve.firewall.plan.api import after
from tests.unit.phoenix.pve.firewall.plan.levels import CLUSTER, FOREIGN, GUESTS, PVE, configs, guest_level, plans

Drift = Callable[[LevelConfig], LevelConfig]


def rules_of(change: Callable[[list[ListedRule]], list[ListedRule]]) -> Drift:
    """Edit the list of rules."""
    return lambda level: replace(level, rules=tuple(change(list(level.rules))))


def option(name: str, value: object) -> Drift:
    """Edit an option."""
    return lambda level: replace(level, options={**level.options, name: value})


DRIFTS: dict[str, tuple[FirewallLevel, Drift, list[tuple[str, str]]]] = {
    "nothing": (CLUSTER, lambda level: level, []),
    "a rule edited": (
        guest_level("traefik"),
        rules_of(lambda r: [{**r[0], "dport": "1"}, *r[1:]]),
        [("put", "rules/0")],
    ),
    "a rule off": (guest_level("traefik"), rules_of(lambda r: [{**r[0], "enable": 0}, *r[1:]]), [("put", "rules/0")]),
    "a rule added": (guest_level("traefik"), rules_of(lambda r: [FOREIGN, *r]), [("delete", "rules/0")]),
    "a rule moved": (guest_level("traefik"), rules_of(lambda r: [*r[1:], r[0]]), [("put", "rules/11")]),
    "a rule gone": (guest_level("traefik"), rules_of(lambda r: r[1:]), [("post", "rules")]),
    "a policy": (guest_level("traefik"), option("policy_in", "ACCEPT"), [("put", "options")]),
    "a guest off": (guest_level("traefik"), option("enable", 0), [("put", "options")]),
    "the cluster off": (CLUSTER, option("enable", 0), [("put", "options")]),
    "the node off": (PVE, option("enable", 0), [("put", "options")]),
    "an alias": (
        CLUSTER,
        lambda level: replace(level, aliases={"local_network": "10.0.0.0/24"}),
        [("put", "aliases/local_network")],
    ),
    "a member more": (
        CLUSTER,
        lambda level: replace(
            level, ipsets={**level.ipsets, "management": (IpSetEntry("10.0.0.20"), IpSetEntry("10.0.0.9"))}
        ),
        [("delete", "ipset/management/10.0.0.9")],
    ),
    "a member less": (
        CLUSTER,
        lambda level: replace(level, ipsets={**level.ipsets, "management": ()}),
        [("post", "ipset/management")],
    ),
    "a hole filled": (
        CLUSTER,
        lambda level: replace(
            level,
            ipsets={
                **level.ipsets,
                "phoenix-internet": tuple(
                    IpSetEntry("10.0.0.0/24") if entry.cidr == "10.0.0.0/24" else entry
                    for entry in level.ipsets["phoenix-internet"]
                ),
            },
        ),
        [("put", "ipset/phoenix-internet/10.0.0.0%2F24")],
    ),
    "a foreign rule that drops": (
        guest_level("traefik"),
        rules_of(lambda r: [{"type": "in", "action": "DROP", "enable": 1}, *r]),
        [("delete", "rules/0")],
    ),
    "a set that shadows the cluster's": (
        guest_level("traefik"),
        lambda level: replace(level, ipsets={"phoenix-internet": (IpSetEntry("10.0.0.0/8"),)}),
        [("delete", "ipset/phoenix-internet")],
    ),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_drift_is_corrected_by_one_write(name: str) -> None:
    """Each kind of drift is found, and one write corrects it."""
    level, drift, expected = DRIFTS[name]
    observed = configs(firewall_from_estate(example()))
    observed[level] = drift(observed[level])
    writes = in_order(plans(observed))
    paths = [(write.method, write.path.removeprefix(f"{level.base}/")) for write in writes]
    if name == "a rule moved":
        assert [method for method, _ in paths] == ["put"]
        assert writes[0].fields == {"moveto": "0"}
    else:
        assert paths == expected
    for write in writes:
        observed = after(observed, write)
    assert in_order(plans(observed)) == []


@settings(max_examples=15, deadline=None)
@given(
    names=st.lists(st.sampled_from(sorted(set(DRIFTS) - {"nothing"})), min_size=1, max_size=5, unique=True),
    seed=st.integers(0, 999),
)
def test_no_intermediate_state_is_worse(names: list[str], seed: int) -> None:
    """No write closes what is declared and was open, and none opens what is neither declared nor was open."""
    firewall = firewall_from_estate(example())
    observed = configs(firewall)
    for name in random.Random(seed).sample(names, len(names)):
        level, drift, _ = DRIFTS[name]
        observed[level] = drift(observed[level])
    declared, before = accepted(firewall), accepted(with_levels(firewall, observed))
    for write in in_order(plans(observed)):
        observed = after(observed, write)
        now = accepted(with_levels(firewall, observed))
        assert declared & before <= now, f"{write.path} closes {sorted(map(str, declared & before - now))[:3]}"
        assert now <= declared | before, f"{write.path} opens {sorted(map(str, now - declared - before))[:3]}"
    assert accepted(with_levels(firewall, observed)) == declared


def with_levels(firewall: Firewall, levels: dict[FirewallLevel, LevelConfig]) -> Firewall:
    """The firewall with some levels replaced."""
    guests = {level.vmid: config for level, config in levels.items() if level.kind == "guest"}
    replaced = {vmid: replace(firewall.guests[vmid], config=config) for vmid, config in guests.items()}
    nodes = {"pve": levels[PVE]}
    return replace(firewall, cluster=levels[CLUSTER], nodes=nodes, guests={**firewall.guests, **replaced})


@cache
def packets() -> tuple[Packet, ...]:
    """Packets between the hosts under test, the node, a manager and other addresses, to ports of interest."""
    ends: list[tuple[Any, str]] = [(guest_level(name).vmid, str(address_of(name))) for name in GUESTS]
    ends += [("pve", "10.0.0.13"), (OUTSIDE, "10.0.0.20"), (OUTSIDE, "10.0.0.9"), (OUTSIDE, "192.0.2.7")]
    return tuple(
        Packet(sender, receiver, address_to_int(source), address_to_int(dest), "tcp", port)
        for (sender, source), (receiver, dest) in product(ends, ends)
        for port in (22, 443, 2375, 6333, 8006, 9001, 1)
        if sender != receiver
    )


def address_of(name: str) -> object:
    """A guest's address."""
    return getattr(example().host(name), "address")  # noqa: B009  # a guest has one


def accepted(firewall: Firewall) -> set[Packet]:
    """The packets that a firewall accepts."""
    chains = Chains(firewall)
    return {packet for packet in packets() if evaluate(chains, packet).action == "ACCEPT"}
