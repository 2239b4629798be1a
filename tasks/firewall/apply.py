"""The firewall's step of a deployment: plan, prove, change in a transaction, test with real packets, confirm."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from nornir.core.task import Result, Task

from phoenix.connections.links import Links
from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.converge import Change
from phoenix.derive.firewall import Level, cluster_firewall, guest_firewall
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.model.configuration import LevelConfig
from phoenix.pve.firewall.plan.level import Write, WritePhase, in_order
from phoenix.pve.firewall.plan.reconcile import plan_level
from phoenix.pve.firewall.query.attempt import disagreements
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from phoenix.tasks.firewall.plan import FirewallPlan, plan_firewall, some
from phoenix.tasks.firewall.reach import try_present
from phoenix.tasks.firewall.sweep import cluster_level, guest_level, read_level
from phoenix.tasks.firewall.transaction import Transaction
from phoenix.tasks.firewall.writes import ConcurrentEditError, carry_out, changes_of
from phoenix.tasks.support.converging import result

TRIES = 4
ALL, OPENING = frozenset(WritePhase), frozenset({WritePhase.SETS, WritePhase.RULES})


def prepare_cluster_sets(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Create the sets that guests' rules name, before a guest has such rules; leave existing sets unchanged."""
    api, level = run.links.api(task.host.name), cluster_level()
    existing = {str(ipset["name"]) for ipset in api.get(f"{level.base}/ipset")}
    sets = tuple(ipset for ipset in cluster_firewall(run.estate).ipsets if ipset.name not in existing)
    writes = list(plan_level(level, Level({}, ipsets=sets), LevelConfig(), "keep").writes)
    if not task.is_dry_run(dry_run):
        carry_out(api, writes)
    return result(task, changes_of(writes))


def new_guest_changes(estate: Estate, guest: Guest) -> list[Change]:
    """The changes to the firewall of a guest that is about to be created."""
    level, wanted = guest_level(estate, guest), guest_firewall(estate, guest)
    return changes_of(plan_level(level, wanted, LevelConfig(), "remove").writes)


def write_new_guest(run: Run, api: ProxmoxClient, guest: Guest) -> None:
    """Write a guest's firewall before its first start; remove what an earlier guest of its id left there."""
    level = guest_level(run.estate, guest)
    plan = plan_level(level, guest_firewall(run.estate, guest), read_level(api, level), "remove")
    carry_out(api, in_order([plan]))


def open_what_is_declared(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Prove the firewall, then open what is declared and closed, before the stages that need it.

    This closes no declared connection. Without it, a host whose access was closed by hand could not be repaired, and a
    new service would wait for its flows until the end of the deployment.
    """
    hypervisor = _hypervisor(task, run)
    plan = plan_firewall(run, hypervisor, OPENING)
    if task.is_dry_run(dry_run) or not plan.is_on:
        return result(task, [])
    return _applied(task, run, hypervisor, plan)


def apply_firewall(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Converge the firewall of a hypervisor, and of its guests in the run, to the one derived from the flows."""
    hypervisor = _hypervisor(task, run)
    plan = plan_firewall(run, hypervisor, ALL)
    if not task.is_dry_run(dry_run):
        return _applied(task, run, hypervisor, plan)
    made_before = {write.title for write in plan.writes if write.path == f"{cluster_level().base}/ipset"}
    return result(
        task, changes_of(write for write in plan.writes if write.title not in made_before), _reported(run, plan)
    )


def _hypervisor(task: Task, run: Run) -> Hypervisor:
    found = run.estate.host(task.host.name)
    assert isinstance(found, Hypervisor)  # noqa: S101  # the stage runs on hypervisors
    return found


def _applied(task: Task, run: Run, hypervisor: Hypervisor, plan: FirewallPlan) -> Result:
    made, notes = _change(run, hypervisor, plan) if plan.writes else ([], ())
    return result(task, changes_of(made), (*_reported(run, plan), *notes))


def _reported(run: Run, plan: FirewallPlan) -> tuple[str, ...]:
    if run.estate.settings.foreign_rules != "report" or plan.phases != ALL:
        return ()
    return tuple(f"a rule that the inventory does not yield: {rule}" for rule in plan.foreign)


def _change(run: Run, hypervisor: Hypervisor, plan: FirewallPlan) -> tuple[list[Write], tuple[str, ...]]:
    """Make the writes in a transaction, which rolls back unless confirmed; returns them and the notes of the matrix."""
    shell = run.links.shell(hypervisor.name)
    change = Transaction(hypervisor.name, hypervisor.node, [one.level for one in plan.levels])
    try:
        made = _make(run, hypervisor, change, plan)
        change.settle(shell)
        with _afresh(run, hypervisor) as links:
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
    """Make the writes; after a concurrent edit, plan again from the configuration with that edit."""
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
def _afresh(run: Run, hypervisor: Hypervisor) -> Iterator[Links]:
    """Open new connections, as the next run would: established ones continue whatever the rules say."""
    links = run.links.afresh()
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

    Returns a note for each host from which no attempt could be made; if that is every host, it is an error.
    """
    tried = try_present(run, hypervisor, links)
    if odd := disagreements(tried):
        raise TaskFailedError(f"packets are not treated as the model says: {some([str(one) for one in odd])}")
    if tried and all(one.outcome == "untried" for one in tried):
        raise TaskFailedError("no connection could be tried: perl, nsenter and lxc-info are needed on the node")
    untried = sorted({one.attempt.source for one in tried if one.outcome == "untried"})
    return tuple(f"no connections could be tried from {name}" for name in untried)
