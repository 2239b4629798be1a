"""The firewall as it will be after a run: what is derived, with whatever of the present one stays. Pure.

Levels that the run does not touch are taken as derived: whoever runs it on one guest is told about that guest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from phoenix.estate import Estate, Hypervisor
from phoenix.pve.firewall.configuration import Backend, Firewall, GuestScope, Listed, Nic
from phoenix.pve.firewall.derived import derived_firewall
from phoenix.pve.firewall.identity import key_of
from phoenix.pve.firewall.proof import Proof, prove
from phoenix.pve.firewall.reconcile import LevelPlan
from phoenix.pve.firewall.steps import Origin


@dataclass(frozen=True)
class Surroundings:
    """What a run leaves as it is: security groups, guests' interfaces by id, and what filters."""

    groups: Mapping[str, tuple[Listed, ...]]
    nics: Mapping[int, Nic]
    backend: Backend


def planned_firewall(estate: Estate, plans: Iterable[LevelPlan], around: Surroundings) -> Firewall:
    """Put plans in the place of the levels that they are about."""
    firewall = derived_firewall(estate)
    cluster, nodes, guests = firewall.cluster, dict(firewall.nodes), dict(firewall.guests)
    for plan in plans:
        if plan.place.kind == "cluster":
            cluster = plan.after
        elif plan.place.kind == "node":
            nodes[plan.place.name] = plan.after
        else:
            vmid = plan.place.vmid
            nic = around.nics.get(vmid)
            guests[vmid] = GuestScope(plan.after, (nic,) if nic else guests[vmid].nics)
    return replace(firewall, cluster=cluster, nodes=nodes, guests=guests, groups=around.groups, backend=around.backend)


def prove_planned(estate: Estate, firewall: Firewall) -> Proof:
    """Prove a planned firewall; where foreign rules are kept, what they open counts as meant."""
    proof = prove(estate, firewall, _is_meant(estate, firewall))
    return replace(proof, skipped=tuple(one for one in proof.skipped if not _is_foreign(estate, firewall, one.origin)))


def _is_meant(estate: Estate, firewall: Firewall) -> frozenset[tuple[str, int]]:
    if estate.settings.foreign_rules != "keep":
        return frozenset()
    return frozenset(
        (level, position)
        for level, rules in _rules(estate, firewall).items()
        for position, rule in enumerate(rules)
        if key_of(rule) is None
    )


def _is_foreign(estate: Estate, firewall: Firewall, origin: Origin) -> bool:
    rules = _rules(estate, firewall).get(origin.level, ())
    return origin.position is not None and origin.position < len(rules) and key_of(rules[origin.position]) is None


def _rules(estate: Estate, firewall: Firewall) -> dict[str, tuple[Listed, ...]]:
    """Rules by the name that the proof gives their level."""
    names = {host.name for host in estate.hosts() if isinstance(host, Hypervisor)}
    return {
        "cluster": firewall.cluster.rules,
        **{name: scope.rules for name, scope in firewall.nodes.items() if name in names},
        **{f"guest {vmid}": guest.scope.rules for vmid, guest in firewall.guests.items()},
    }
