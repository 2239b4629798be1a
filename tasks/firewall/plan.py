"""What a run changes of a hypervisor's firewall, and the proof that it may."""

from __future__ import annotations

from dataclasses import dataclass, replace

from phoenix.derive.firewall import NODE, cluster_firewall, guest_firewall
from phoenix.estate import Guest, Hypervisor
from phoenix.estate.sources import read_sources
from phoenix.pve.firewall.model.configuration import truth
from phoenix.pve.firewall.plan.after_plan import planned_firewall, prove_planned
from phoenix.pve.firewall.plan.identity import describe
from phoenix.pve.firewall.plan.reconcile import LevelPlan, Phase, Write, in_order, plan_level
from phoenix.pve.firewall.proof.prove import Proof, Violation
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from phoenix.tasks.firewall.sweep import Swept, cluster_place, guest_place, node_place, sweep

SHOWN = 5


@dataclass(frozen=True)
class Plan:
    """The plans of all levels that a run touches, as far as some phases go; `is_on` tells whether anything filters."""

    levels: tuple[LevelPlan, ...]
    phases: frozenset[Phase]
    is_on: bool

    @property
    def writes(self) -> list[Write]:
        """Every write of those phases, in its order."""
        return [write for write in in_order(self.levels) if write.phase in self.phases]

    @property
    def foreign(self) -> list[str]:
        """Rules that nobody derived, as a person would say them."""
        return [f"{plan.place.name}: {describe(rule)}" for plan in self.levels for rule in plan.foreign]


def plan_firewall(run: Run, hypervisor: Hypervisor, phases: frozenset[Phase]) -> Plan:
    """Read what is, and find what separates it from what the flows say; a plan that cannot be proved is an error."""
    estate, api = run.estate, run.links.api(hypervisor.name)
    guests = touched(run, hypervisor)
    swept = sweep(api, estate, hypervisor, guests)
    levels = tuple(_levels(run, hypervisor, guests, swept))
    around = replace(swept.around, nics={})  # interfaces are put right with their guests
    check_proof(run, prove_planned(estate, planned_firewall(estate, levels, around)))
    return Plan(levels, phases, truth(swept.levels[cluster_place()].options.get("enable")))


def touched(run: Run, hypervisor: Hypervisor) -> list[Guest]:
    """The guests of a hypervisor that the run is about and that exist; their rules do not depend on how they are."""
    return [
        guest
        for guest in run.estate.guests
        if guest.hypervisor == hypervisor.name and guest.name in run.targets and guest.vmid in run.exists
    ]


def check_proof(run: Run, proof: Proof) -> None:
    """Stop a run whose firewall would let through what is not declared, or refuse what is."""
    if proof.holds:
        return
    said = [*map(str, proof.skipped), *(_place(run, violation) for violation in proof.violations)]
    raise TaskFailedError(f"the firewall would not do what the inventory says, nothing of it was applied: {some(said)}")


def some(said: list[str]) -> str:
    """The first of many things to say, and how many more there are."""
    more = f"; and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return "; ".join(said[:SHOWN]) + more


def _levels(run: Run, hypervisor: Hypervisor, guests: list[Guest], swept: Swept) -> list[LevelPlan]:
    estate, policy = run.estate, run.estate.settings.foreign_rules
    wanted = {guest_place(estate, guest): guest_firewall(estate, guest) for guest in guests}
    if hypervisor.name in run.targets:
        wanted = {cluster_place(): cluster_firewall(estate), node_place(hypervisor): NODE, **wanted}
    return [plan_level(place, level, swept.levels[place], policy) for place, level in wanted.items()]


def _place(run: Run, violation: Violation) -> str:
    flow = violation.declared.flow if violation.declared else None
    if flow is None or run.inventory is None:
        return str(violation)
    host, *path = flow.origin
    return f"{violation} ({read_sources(run.inventory).place(host, tuple(path))})"
