"""The plan of a hypervisor's firewall in a run, and its proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from phoenix.converge import Plan
from phoenix.derive.firewall import CLOSED, NODE, cluster_firewall, guest_firewall
from phoenix.errors import TaskFailedError
from phoenix.estate import Guest, Hypervisor
from phoenix.estate.key_locations import read_sources
from phoenix.estate.target import hypervisors_of
from phoenix.pve.firewall.model.configuration import parse_bool
from phoenix.pve.firewall.plan.after_plan import firewall_after_plan, prove_after_plan
from phoenix.pve.firewall.plan.identity import format_rule
from phoenix.pve.firewall.plan.level import FirewallLevel, LevelPlan, Write, WritePhase, in_order
from phoenix.pve.firewall.plan.policy import policy_at
from phoenix.pve.firewall.plan.reconcile import plan_level
from phoenix.pve.firewall.proof.violation import Proof, Violation
from phoenix.run import Run
from phoenix.tasks.firewall.read_levels import Swept, cluster_level, guest_level, node_level, read_level, sweep
from phoenix.tasks.firewall.writes import changes_of
from phoenix.tasks.support.guests import guest_path, is_ours, targeted_guests, undeclared_guests

SHOWN = 5


@dataclass(frozen=True)
class FirewallPlan(Plan):
    """The plans of all levels that a run touches, limited to some phases; `is_on` reports whether anything filters."""

    levels: tuple[LevelPlan, ...] = ()
    phases: frozenset[WritePhase] = frozenset()
    is_on: bool = False

    @property
    def writes(self) -> list[Write]:
        """Every write of those phases, in its order."""
        return writes_of(self.levels, self.phases)


def plan_firewall(run: Run, hypervisor: Hypervisor, phases: frozenset[WritePhase]) -> FirewallPlan:
    """Read the firewall, and compare it with the flows; a plan that cannot be proved is an error."""
    estate, api = run.estate, run.links.api(hypervisor.name)
    guests = touched(run, hypervisor)
    swept = sweep(api, estate, hypervisor, guests)
    levels = tuple(_levels(run, hypervisor, guests, swept))
    closings = tuple(_closings(run, hypervisor))
    context = replace(swept.context, nics={})  # interfaces are corrected with their guests
    check_proof(run, prove_after_plan(estate, firewall_after_plan(estate, levels, context)))
    is_on = parse_bool(swept.levels[cluster_level()].options.get("enable"))
    every = tuple(plan for plan in (*levels, *closings) if plan.level.vmid not in run.rehearsed_firewalls)
    changes = changes_of(_without_new_sets(writes_of(every, phases)))
    return FirewallPlan(tuple(changes), _foreign_notes(run, levels, phases), every, phases, is_on)


def writes_of(levels: Iterable[LevelPlan], phases: frozenset[WritePhase]) -> list[Write]:
    """Every write of some phases, in its order."""
    return [write for write in in_order(levels) if write.phase in phases]


def _without_new_sets(writes: list[Write]) -> list[Write]:
    """Leave out the writes of sets that do not exist yet: an earlier step of the same run creates them."""
    path = f"{cluster_level().base}/ipset"
    new = {f"{path}/{write.fields['name']}" for write in writes if write.path == path}
    return [write for write in writes if write.path not in {path, *new}]


def _foreign_notes(run: Run, levels: Iterable[LevelPlan], phases: frozenset[WritePhase]) -> tuple[str, ...]:
    """A note for each rule that the inventory does not derive, where such rules are reported."""
    if phases != frozenset(WritePhase):
        return ()
    shown = [plan for plan in levels if policy_at(run.estate.settings, plan.level.kind) == "report"]
    rules = (f"{plan.level.name}: {format_rule(rule)}" for plan in shown for rule in plan.foreign)
    return tuple(f"a rule that the inventory does not derive: {rule}" for rule in rules)


def writes_cluster(run: Run, hypervisor: Hypervisor) -> bool:
    """Report whether a node writes what its cluster shares: the first node of the cluster that the run touches does."""
    nodes = run.targets | hypervisors_of(run.estate, run.targets)
    own = (node for node in run.estate.hypervisors if node.cluster == hypervisor.cluster and node.name in nodes)
    return next(own, hypervisor).name == hypervisor.name


def touched(run: Run, hypervisor: Hypervisor) -> list[Guest]:
    """The guests of this estate on a hypervisor that the run targets; their rules do not depend on their state."""
    return [guest for guest in targeted_guests(run, hypervisor) if is_ours(run, guest)]


def check_proof(run: Run, proof: Proof) -> None:
    """Stop a run whose firewall would accept an undeclared flow, or refuse a declared one."""
    if proof.holds:
        return
    problems = [*map(str, proof.skipped), *(_place(run, violation) for violation in proof.violations)]
    raise TaskFailedError(
        f"the firewall would differ from the inventory's flows, so it was not applied: {some(problems)}"
    )


def some(messages: list[str]) -> str:
    """Join the first few messages and the number of the others."""
    more = f"; and {len(messages) - SHOWN} more" if len(messages) > SHOWN else ""
    return "; ".join(messages[:SHOWN]) + more


def _levels(run: Run, hypervisor: Hypervisor, guests: list[Guest], swept: Swept) -> list[LevelPlan]:
    estate, settings = run.estate, run.estate.settings
    wanted = {guest_level(estate, guest): guest_firewall(estate, guest) for guest in guests}
    if hypervisor.name in run.targets:
        wanted = {node_level(hypervisor): NODE, **wanted}
    if hypervisor.name in run.targets and writes_cluster(run, hypervisor):
        wanted = {cluster_level(): cluster_firewall(estate), **wanted}
    return [
        plan_level(level, config, swept.levels[level], policy_at(settings, level.kind))
        for level, config in wanted.items()
    ]


def _closings(run: Run, hypervisor: Hypervisor) -> Iterator[LevelPlan]:
    """Close what guests had open that are no longer declared: they keep their policies, which drop everything."""
    if hypervisor.name not in run.targets:
        return
    api, policy = run.links.api(hypervisor.name), policy_at(run.estate.settings, "guest")
    for guest in undeclared_guests(run, hypervisor):
        level = FirewallLevel("guest", guest.name, f"{guest_path(guest)}/firewall", guest.vmid)
        yield plan_level(level, CLOSED, read_level(api, level), policy)


def _place(run: Run, violation: Violation) -> str:
    flow = violation.declared.flow if violation.declared else None
    if flow is None or run.inventory is None:
        return str(violation)
    host, *path = flow.origin
    return f"{violation} ({read_sources(run.inventory).place(host, tuple(path))})"
