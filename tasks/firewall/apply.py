"""The firewall's step of a deployment: plan, prove, change in a transaction, test with real packets, confirm."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nornir.core.task import Task

from phoenix.connections.links import Links
from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.converge import Change, Outcome, Plan
from phoenix.derive.firewall import Level, cluster_firewall, guest_firewall
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.configuration import LevelConfig
from phoenix.pve.firewall.plan.level import Write, WritePhase, in_order
from phoenix.pve.firewall.plan.policy import policy_at
from phoenix.pve.firewall.plan.reconcile import plan_level
from phoenix.pve.firewall.query.attempt import disagreements, unobserved_at, untried_from
from phoenix.run import Planned, Run
from phoenix.tasks.firewall.live_matrix import try_present
from phoenix.tasks.firewall.plan import FirewallPlan, plan_firewall, some, writes_cluster
from phoenix.tasks.firewall.read_levels import cluster_level, guest_level, read_level
from phoenix.tasks.firewall.transaction import Transaction
from phoenix.tasks.firewall.writes import ConcurrentEditError, carry_out, changes_of

TRIES = 4
OPENING = frozenset({WritePhase.SETS, WritePhase.RULES})


@dataclass(frozen=True)
class WritePlan(Plan):
    """Writes to the API, in their order."""

    writes: tuple[Write, ...] = ()


def plan_cluster_sets(run: Run, hypervisor: Hypervisor) -> WritePlan:
    """Plan the sets that guests' rules name and that do not exist; existing sets are left as they are."""
    level = cluster_level()
    if not writes_cluster(run, hypervisor):
        return WritePlan()
    existing = {str(ipset["name"]) for ipset in run.links.api(hypervisor.name).get(f"{level.base}/ipset")}
    sets = tuple(ipset for ipset in cluster_firewall(run.estate).ipsets if ipset.name not in existing)
    writes = plan_level(level, Level({}, ipsets=sets), LevelConfig(), "keep").writes
    return WritePlan(tuple(changes_of(writes)), writes=tuple(writes))


def apply_cluster_sets(run: Run, hypervisor: Hypervisor, plan: WritePlan) -> Plan:
    """Create the sets."""
    return Plan(tuple(changes_of(carry_out(run.links.api(hypervisor.name), plan.writes))))


prepare_cluster_sets = Planned("prepare_cluster_sets", plan_cluster_sets, apply_cluster_sets)
"""Create the sets that guests' rules name, before a guest has such rules."""


def new_guest_changes(estate: Estate, guest: Guest) -> list[Change]:
    """The changes to the firewall of a guest that is about to be created."""
    level, wanted = guest_level(estate, guest), guest_firewall(estate, guest)
    return changes_of(plan_level(level, wanted, LevelConfig(), "remove").writes)


def write_new_guest(run: Run, api: ProxmoxClient, guest: Guest) -> None:
    """Write a guest's firewall before its first start; remove what an earlier guest of its id left there."""
    level = guest_level(run.estate, guest)
    plan = plan_level(level, guest_firewall(run.estate, guest), read_level(api, level), "remove")
    carry_out(api, in_order([plan]))


def complete_firewall(run: Run, api: ProxmoxClient, guest: Guest) -> tuple[Write, ...]:
    """The writes that complete the firewall of a guest that does not run, so that it does not start without it."""
    level, policy = guest_level(run.estate, guest), policy_at(run.estate.settings, "guest")
    plan = plan_level(level, guest_firewall(run.estate, guest), read_level(api, level), policy)
    return tuple(in_order([plan]))


def open_what_is_declared(task: Task, run: Run, *, dry_run: bool | None = None) -> Outcome:
    """Prove the firewall, then open what is declared and closed, before later steps need it.

    Closes no declared opening. Without this step a host that an edit has cut off could not be corrected, and a new
    service would wait for its flows. A dry run lists these changes with those of `apply_firewall`.
    """
    hypervisor = run.estate.hypervisor(task.host.name)
    plan = plan_firewall(run, hypervisor, OPENING)
    if not plan.is_on or not plan.writes or task.is_dry_run(dry_run):
        return Outcome(task.host)
    applied = apply_plan(run, hypervisor, plan)
    return Outcome(task.host, applied.changes, applied.notes)


def plan_everything(run: Run, hypervisor: Hypervisor) -> FirewallPlan:
    """Plan all phases of a hypervisor's firewall and that of its guests in the run."""
    return plan_firewall(run, hypervisor, frozenset(WritePhase))


def apply_plan(run: Run, hypervisor: Hypervisor, plan: FirewallPlan) -> Plan:
    """Make the writes as one transaction; give those made, with notes of the matrix."""
    made, notes = _change(run, hypervisor, plan)
    return Plan(tuple(changes_of(made)), (*plan.notes, *notes))


apply_firewall = Planned("apply_firewall", plan_everything, apply_plan)
"""Bring a hypervisor's firewall, and that of its guests in the run, to the flows."""


def _change(run: Run, hypervisor: Hypervisor, plan: FirewallPlan) -> tuple[list[Write], tuple[str, ...]]:
    """Make the writes; unless they are confirmed, what was before comes back. Gives them, and notes of the matrix."""
    shell = run.links.shell(hypervisor.name)
    change = Transaction(hypervisor.name, hypervisor.node, [one.level for one in plan.levels])
    try:
        made = _make(run, hypervisor, change, plan)
        change.settle(shell)
        with _reconnected(run, hypervisor) as links:
            notes = _hold(run, hypervisor, links)
            change.confirm(links.shell(hypervisor.name))
    except (ApiError, ConnectionFailedError, TaskFailedError) as error:
        how = "is as it was before" if change.undo(shell) else "goes back to what it was by itself, in minutes"
        raise TaskFailedError(f"{error}; the firewall of {hypervisor.name} {how}") from None
    except Exception:
        change.undo(shell)
        raise
    return made, notes


def _make(run: Run, hypervisor: Hypervisor, change: Transaction, plan: FirewallPlan) -> list[Write]:
    """Make the remaining writes; after a concurrent edit, plan again from the edited state."""
    made: list[Write] = []
    edit = ""
    for attempt in range(TRIES):
        change.begin(run.links.shell(hypervisor.name), len(plan.writes))
        try:
            now = plan_firewall(run, hypervisor, plan.phases)
            return made + carry_out(run.links.api(hypervisor.name), now.writes)
        except ConcurrentEditError as error:
            made += error.made
            edit = str(error)
            time.sleep(0.2 * 2**attempt)
    raise TaskFailedError(f"the firewall is being changed concurrently: {edit}; run again")


@contextmanager
def _reconnected(run: Run, hypervisor: Hypervisor) -> Iterator[Links]:
    """Open new connections, as the next run would: conntrack keeps established ones open under any rules."""
    links = run.links.reconnected()
    try:
        links.shell(hypervisor.name)
        links.api(hypervisor.name).get("version")
        yield links
    except (ApiError, ConnectionFailedError) as error:
        raise TaskFailedError(f"after the change there is no way in any more: {error}") from None
    finally:
        links.close()


def _hold(run: Run, hypervisor: Hypervisor, links: Links) -> tuple[str, ...]:
    """Test the changed hosts with real packets: each outcome must agree with the model of the present firewall.

    Returns a note for each host whose attempts have no evidence; if that is every host, it is an error.
    """
    tried = try_present(run, hypervisor, links)
    if odd := disagreements(tried):
        raise TaskFailedError(f"packets are not treated as in the model: {some([str(one) for one in odd])}")
    if tried and all(one.judgment == "untried" for one in tried):
        raise TaskFailedError("no connection could be tried: perl, nsenter and lxc-info are needed on the node")
    unobserved = (
        f"connections to {name} prove nothing: they could not be observed" for name in sorted(unobserved_at(tried))
    )
    return (*(f"no connections could be tried from {name}" for name in sorted(untried_from(tried))), *unobserved)
