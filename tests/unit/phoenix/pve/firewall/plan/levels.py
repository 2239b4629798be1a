"""The levels of the example estate that the tests of plans use, as derived and as configured."""

from __future__ import annotations

from typing import Any

from phoenix.derive.firewall import NODE, Level, cluster_firewall, guest_firewall
from phoenix.estate import Guest
from phoenix.pve.firewall.model.configuration import Firewall, LevelConfig, ListedRule
from phoenix.pve.firewall.plan.level import FirewallLevel, LevelPlan
from phoenix.pve.firewall.plan.reconcile import plan_level
from tests.support.inventories import example
from tests.unit.phoenix.pve.firewall.firewalls import rule

GUESTS = ("traefik", "drphoenix", "portainer")
CLUSTER = FirewallLevel("cluster", "cluster", "cluster/firewall")
PVE = FirewallLevel("node", "pve", "nodes/phoenix/firewall")
FOREIGN: ListedRule = rule("in", "ACCEPT", proto="tcp", dport="2375", comment="mine")


def guest_level(name: str) -> FirewallLevel:
    """A guest's level."""
    guest = example().host(name)
    assert isinstance(guest, Guest)
    return FirewallLevel("guest", name, f"guests/{guest.vmid}/firewall", guest.vmid)


def wanted() -> dict[FirewallLevel, Level]:
    """The derived configuration of the levels under test."""
    estate = example()
    guests = {guest_level(name): guest_firewall(estate, estate.host(name)) for name in GUESTS}  # type: ignore[arg-type]  # guests
    return {CLUSTER: cluster_firewall(estate), PVE: NODE, **guests}


def configs(firewall: Firewall) -> dict[FirewallLevel, LevelConfig]:
    """The configuration of the levels under test."""
    guests = {guest_level(name): firewall.guests[guest_level(name).vmid].config for name in GUESTS}
    return {CLUSTER: firewall.cluster, PVE: firewall.nodes["pve"], **guests}


def plans(observed: dict[FirewallLevel, LevelConfig], policy: Any = "remove") -> list[LevelPlan]:
    """The plan of each level."""
    return [plan_level(level, config, observed[level], policy) for level, config in wanted().items()]
