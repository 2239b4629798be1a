"""The firewall as it will be after a run: what is derived, with whatever of the present one stays. Pure.

Levels that the run does not touch are taken as derived: whoever runs it on one guest is told about that guest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from phoenix.estate import Estate
from phoenix.pve.firewall.model.configuration import Backend, Firewall, GuestScope, Listed, Nic
from phoenix.pve.firewall.model.from_estate import derived_firewall
from phoenix.pve.firewall.plan.identity import key_of
from phoenix.pve.firewall.plan.reconcile import LevelPlan
from phoenix.pve.firewall.proof.prove import Proof, prove


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
    foreign = frozenset(_foreign(firewall))
    proof = prove(estate, firewall, foreign if estate.settings.foreign_rules == "keep" else frozenset())
    skipped = tuple(one for one in proof.skipped if (one.origin.level, one.origin.position) not in foreign)
    return replace(proof, skipped=skipped)


def _foreign(firewall: Firewall) -> Iterator[tuple[str, int]]:
    """Rules that nobody derived, by position and the name that the proof gives their level."""
    levels = {
        "cluster": firewall.cluster,
        **firewall.nodes,
        **{f"guest {vmid}": guest.scope for vmid, guest in firewall.guests.items()},
    }
    for level, scope in levels.items():
        yield from ((level, position) for position, rule in enumerate(scope.rules) if key_of(rule) is None)
