"""The plans of a run → the firewall after it, and its proof. Pure.

A level that the run does not touch is taken as derived: a run on one guest reports on that guest alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from phoenix.estate import Estate
from phoenix.pve.firewall.model.configuration import (
    Firewall,
    FirewallBackend,
    FirewallNic,
    GuestLevel,
    LevelConfig,
    ListedRule,
)
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.model.match import LevelId
from phoenix.pve.firewall.plan.identity import key_of
from phoenix.pve.firewall.plan.level import LevelKind, LevelPlan
from phoenix.pve.firewall.plan.policy import is_tolerated
from phoenix.pve.firewall.proof.prove import prove
from phoenix.pve.firewall.proof.violation import Proof


@dataclass(frozen=True)
class PlanContext:
    """What a run observes and leaves unchanged: security groups, guests' interfaces by id, and the backend."""

    groups: Mapping[str, tuple[ListedRule, ...]]
    nics: Mapping[int, FirewallNic]
    backend: FirewallBackend


def firewall_after_plan(estate: Estate, plans: Iterable[LevelPlan], context: PlanContext) -> Firewall:
    """Replace the levels of the derived firewall that have a plan with their configuration after it."""
    firewall = firewall_from_estate(estate)
    cluster, nodes, guests = firewall.cluster, dict(firewall.nodes), dict(firewall.guests)
    for plan in plans:
        if plan.level.kind == "cluster":
            cluster = plan.after
        elif plan.level.kind == "node":
            nodes[plan.level.name] = plan.after
        else:
            vmid = plan.level.vmid
            nic = context.nics.get(vmid)
            guests[vmid] = GuestLevel(plan.after, (nic,) if nic else guests[vmid].nics)
    return replace(
        firewall, cluster=cluster, nodes=nodes, guests=guests, groups=context.groups, backend=context.backend
    )


def prove_after_plan(estate: Estate, firewall: Firewall) -> Proof:
    """Prove the firewall after a plan; where foreign rules are kept as intended, what they accept is tolerated.

    A foreign rule that Proxmox skips is no fault of the plan.
    """
    foreign = frozenset(_foreign_rules(firewall))
    tolerated = frozenset(one for one in foreign if is_tolerated(estate.settings, _kind(firewall, one[0])))
    proof = prove(estate, firewall, tolerated)
    skipped = tuple(one for one in proof.skipped if (one.origin.level, one.origin.position) not in foreign)
    return replace(proof, skipped=skipped)


def _kind(firewall: Firewall, level: LevelId) -> LevelKind:
    if level == "cluster":
        return "cluster"
    return "node" if level in firewall.nodes else "guest"


def _foreign_rules(firewall: Firewall) -> Iterator[tuple[LevelId, int]]:
    guests = ((vmid, guest.config) for vmid, guest in firewall.guests.items())
    levels: tuple[tuple[LevelId, LevelConfig], ...] = (
        ("cluster", firewall.cluster),
        *firewall.nodes.items(),
        *guests,
    )
    for level, config in levels:
        yield from ((level, position) for position, rule in enumerate(config.rules) if key_of(rule) is None)
