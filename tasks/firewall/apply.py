"""The firewall's step of a deployment: plan, prove, change as a transaction, see that it holds, confirm."""

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
from phoenix.pve.firewall.model.configuration import Scope
from phoenix.pve.firewall.plan.reconcile import Phase, Write, in_order, plan_level
from phoenix.pve.firewall.query.matrix import surprises
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from phoenix.tasks.firewall.plan import Plan, plan_firewall, some
from phoenix.tasks.firewall.reach import try_present
from phoenix.tasks.firewall.sweep import cluster_place, guest_place, read_level
from phoenix.tasks.firewall.transaction import Transaction
from phoenix.tasks.firewall.writes import ConcurrentEditError, carry_out, changes_of
from phoenix.tasks.support.converging import result

TRIES = 4
ALL, OPENING = frozenset(Phase), frozenset({Phase.SETS, Phase.RULES})


def prepare_cluster_sets(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Make the sets that guests' rules name, before a guest has such rules; one that is there is left as it is."""
    api, place = run.links.api(task.host.name), cluster_place()
    there = {str(ipset["name"]) for ipset in api.get(f"{place.base}/ipset")}
    sets = tuple(ipset for ipset in cluster_firewall(run.estate).ipsets if ipset.name not in there)
    writes = list(plan_level(place, Level({}, ipsets=sets), Scope(), "keep").writes)
    if not task.is_dry_run(dry_run):
        carry_out(api, writes)
    return result(task, changes_of(writes))


def new_guest_changes(estate: Estate, guest: Guest) -> list[Change]:
    """What is written for a guest that is about to be made."""
    return changes_of(plan_level(guest_place(estate, guest), guest_firewall(estate, guest), Scope(), "remove").writes)


def write_new_guest(run: Run, api: ProxmoxClient, guest: Guest) -> None:
    """Give a guest its firewall before its first start; what an earlier one of its id left there goes."""
    place = guest_place(run.estate, guest)
    plan = plan_level(place, guest_firewall(run.estate, guest), read_level(api, place), "remove")
    carry_out(api, in_order([plan]))


def open_what_is_declared(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Prove the firewall; mend what an edit closed, and open what is newly declared, before anybody needs it.

    Nothing that is declared is closed here. Without this a host that cannot be reached any more could not be mended,
    and a service would wait for its flows.
    """
    hypervisor = _hypervisor(task, run)
    plan = plan_firewall(run, hypervisor, OPENING)
    if task.is_dry_run(dry_run) or not plan.is_on:
        return result(task, [])
    return _applied(task, run, hypervisor, plan)


def apply_firewall(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Bring a hypervisor's firewall, and that of its guests in the run, to what the flows say."""
    hypervisor = _hypervisor(task, run)
    plan = plan_firewall(run, hypervisor, ALL)
    if not task.is_dry_run(dry_run):
        return _applied(task, run, hypervisor, plan)
    made_before = {write.thing for write in plan.writes if write.path == f"{cluster_place().base}/ipset"}
    return result(
        task, changes_of(write for write in plan.writes if write.thing not in made_before), _reported(run, plan)
    )


def _hypervisor(task: Task, run: Run) -> Hypervisor:
    found = run.estate.host(task.host.name)
    assert isinstance(found, Hypervisor)  # noqa: S101  # the stage runs on hypervisors
    return found


def _applied(task: Task, run: Run, hypervisor: Hypervisor, plan: Plan) -> Result:
    made, notes = _change(run, hypervisor, plan) if plan.writes else ([], ())
    return result(task, changes_of(made), (*_reported(run, plan), *notes))


def _reported(run: Run, plan: Plan) -> tuple[str, ...]:
    if run.estate.settings.foreign_rules != "report" or plan.phases != ALL:
        return ()
    return tuple(f"a rule that the inventory does not yield: {rule}" for rule in plan.foreign)


def _change(run: Run, hypervisor: Hypervisor, plan: Plan) -> tuple[list[Write], tuple[str, ...]]:
    """Make the writes; unless they are confirmed, what was before comes back. Gives them, and notes of the matrix."""
    shell = run.links.shell(hypervisor.name)
    change = Transaction(hypervisor.name, hypervisor.node, [level.place for level in plan.levels])
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


def _make(run: Run, hypervisor: Hypervisor, change: Transaction, plan: Plan) -> list[Write]:
    """Make what is still to be done; somebody else's edit is kept, and then looked at like everything else."""
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
    raise TaskFailedError(f"somebody else keeps changing the firewall: {edit}; run again")


@contextmanager
def _afresh(run: Run, hypervisor: Hypervisor) -> Iterator[Links]:
    """Connections of their own, as the next run would make them: those that stand go on whatever the rules say."""
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
    """Try the hosts that the change is about: packets must be treated as the model says of what is there.

    Gives the hosts that could neither be entered nor asked, as notes; that none could be is an error.
    """
    tried = try_present(run, hypervisor, links)
    if odd := surprises(tried):
        raise TaskFailedError(f"packets are not treated as the model says: {some([str(one) for one in odd])}")
    if tried and all(one.outcome == "untried" for one in tried):
        raise TaskFailedError("no connection could be tried: perl, nsenter and lxc-info are needed on the node")
    untried = sorted({one.attempt.source for one in tried if one.outcome == "untried"})
    return tuple(f"no connections could be tried from {name}" for name in untried)
