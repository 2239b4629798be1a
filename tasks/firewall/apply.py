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
from phoenix.derive.firewall import cluster_firewall, guest_firewall
from phoenix.estate import Estate, Guest, Hypervisor
from phoenix.pve.firewall.configuration import Scope
from phoenix.pve.firewall.derived import derived_firewall
from phoenix.pve.firewall.matrix import Matrix
from phoenix.pve.firewall.proof import prove
from phoenix.pve.firewall.reconcile import Phase, Write, in_order, plan_level
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from tasks.converging import result
from tasks.firewall.attempts import try_all
from tasks.firewall.plan import Plan, check_proof, plan_firewall, touched
from tasks.firewall.sweep import cluster_place, guest_place, read_level
from tasks.firewall.transaction import Transaction
from tasks.firewall.writes import ConcurrentEditError, carry_out, changes_of

TRIES = 4
SHOWN = 5


def prove_firewall(task: Task, run: Run) -> Result:
    """Prove that the derived firewall lets through what is declared and nothing else, before anything is touched."""
    check_proof(run, prove(run.estate, derived_firewall(run.estate)))
    return result(task, [])


def prepare_cluster_sets(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Make the sets that guests' rules name, before a guest has such rules; nothing is taken out of one."""
    api, place = run.links.api(task.host.name), cluster_place()
    wanted = cluster_firewall(run.estate)
    plan = plan_level(place, wanted, read_level(api, place), run.estate.settings.foreign_rules)
    writes = [write for write in plan.writes if _is_prepared(write)]
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


def apply_firewall(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Bring a hypervisor's firewall, and that of its guests in the run, to what the flows say."""
    hypervisor = run.estate.host(task.host.name)
    assert isinstance(hypervisor, Hypervisor)  # noqa: S101  # the stage runs on hypervisors
    plan = plan_firewall(run, hypervisor)
    if task.is_dry_run(dry_run) or not plan.writes:
        return _said(task, run, plan, [write for write in plan.writes if not _is_prepared(write)])
    return _said(task, run, plan, _change(run, hypervisor, plan))


def _is_prepared(write: Write) -> bool:
    """Tell whether a write is one of those that come before all guests."""
    return write.place.kind == "cluster" and write.phase is Phase.SETS and write.thing.startswith("set ")


def _said(task: Task, run: Run, plan: Plan, writes: list[Write]) -> Result:
    shown = plan.foreign if run.estate.settings.foreign_rules == "report" else ()
    notes = tuple(f"a rule that the inventory does not yield: {rule}" for rule in shown)
    return result(task, changes_of(writes), notes)


def _change(run: Run, hypervisor: Hypervisor, plan: Plan) -> list[Write]:
    """Make the writes; unless they are confirmed, what was before comes back."""
    shell = run.links.shell(hypervisor.name)
    change = Transaction(hypervisor.name, hypervisor.node, [level.place for level in plan.levels])
    try:
        made, plan = _make(run, hypervisor, change, len(plan.writes))
        change.settle(shell)
        with _afresh(run, hypervisor) as links:
            _hold(run, hypervisor, plan, links)
            change.confirm(links.shell(hypervisor.name))
    except (ApiError, ConnectionFailedError, TaskFailedError) as error:
        how = "is as it was before" if change.undo(shell) else "goes back to what it was by itself, in minutes"
        raise TaskFailedError(f"{error}; the firewall of {hypervisor.name} {how}") from None
    return made


def _make(run: Run, hypervisor: Hypervisor, change: Transaction, most: int) -> tuple[list[Write], Plan]:
    """Make what is still to be done; somebody else's edit is kept, and then looked at like everything else."""
    made: list[Write] = []
    edit = ""
    for attempt in range(TRIES):
        change.begin(run.links.shell(hypervisor.name), most)
        plan = plan_firewall(run, hypervisor)
        try:
            made += carry_out(run.links.api(hypervisor.name), plan.writes)
        except ConcurrentEditError as error:
            made += error.made
            edit = str(error)
            time.sleep(0.2 * 2**attempt)
        else:
            return made, plan
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


def _hold(run: Run, hypervisor: Hypervisor, plan: Plan, links: Links) -> None:
    """Try the hosts that the change is about, and see that packets are treated as the model says."""
    guests = [guest for guest in touched(run, hypervisor) if run.is_running(guest.vmid)]
    matrix = Matrix(run.estate, plan.actual, (hypervisor, *guests))
    odd = [str(tried) for tried in try_all(run.estate, matrix, links.shell) if tried.is_odd]
    if odd:
        more = f"; and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
        raise TaskFailedError(f"packets are not treated as the model says: {'; '.join(odd[:SHOWN])}{more}")
