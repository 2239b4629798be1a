"""Reset the CA: its state is archived, never deleted, and the following deployment creates a new one."""

from __future__ import annotations

from datetime import UTC, datetime

from phoenix.conventions import CA_STATE
from phoenix.converge import Change, Plan
from phoenix.estate import Guest
from phoenix.run import Planned, Run
from phoenix.tasks.authority.state import CaStateProbes, seen_state


def plan_reset(run: Run, authority: Guest) -> Plan:
    """Plan the mark that gives the state up; `init_ca` then archives the state first."""
    state = seen_state(run.session(authority.name).observe([CaStateProbes()]))
    if state.absent or state.begun:
        return Plan()
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    mark, new = f"{CA_STATE}/.reset", f"{CA_STATE}/.reset.new"
    script = f"printf %s {stamp} >{new} && sync {new} && mv -fT {new} {mark}"
    reason = f"archived in {CA_STATE}/archive-{stamp}"
    return Plan((Change(f"authority in {CA_STATE}", "remove", reason, script=script),))


def apply_reset(run: Run, authority: Guest, plan: Plan) -> Plan:
    """Write the mark, and forget the authority."""
    run.session(authority.name).apply(plan.changes)
    run.known_authority = None
    return plan


reset_authority = Planned("reset_authority", plan_reset, apply_reset)
"""Mark the state as given up; `init_ca` archives it, in this run or in the next."""
