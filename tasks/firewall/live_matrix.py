"""The matrix on demand: test the present firewall with real packets between running hosts."""

from __future__ import annotations

import threading

from nornir.core.task import Task

from phoenix.connections.links import Links
from phoenix.converge import Outcome
from phoenix.estate import Hypervisor
from phoenix.pve.firewall.plan.after_plan import firewall_after_plan
from phoenix.pve.firewall.plan.level import LevelPlan
from phoenix.pve.firewall.query.attempt import AttemptResult
from phoenix.pve.firewall.query.matrix import Matrix
from phoenix.run import Run
from phoenix.tasks.firewall.attempts import try_all
from phoenix.tasks.firewall.plan import touched
from phoenix.tasks.firewall.read_levels import sweep


class Reach:
    """Collects the results of all hypervisors; `full` tries every port."""

    def __init__(self, *, full: bool) -> None:
        self._full = full
        self._lock = threading.Lock()
        self.tried: list[AttemptResult] = []

    def try_connections(self, task: Task, run: Run) -> Outcome:
        """Try every connection between a hypervisor and the guests that run there."""
        hypervisor = run.estate.hypervisor(task.host.name)
        found = try_present(run, hypervisor, run.links, full=self._full)
        with self._lock:
            self.tried += found
        return Outcome(task.host)


def try_present(run: Run, hypervisor: Hypervisor, links: Links, *, full: bool = False) -> list[AttemptResult]:
    """Read the present firewall, and try every connection between the hypervisor and the run's guests there.

    A guest that is not at its declared address yet takes no part.
    """
    running = [guest for guest in touched(run, hypervisor) if run.guests.is_running(guest.vmid)]
    swept = sweep(links.api(hypervisor.name), run.estate, hypervisor, running)
    guests = [guest for guest in running if guest.name not in swept.moving and not links.is_elsewhere(guest)]
    present = (LevelPlan(level, (), config, ()) for level, config in swept.levels.items())
    matrix = Matrix(run.estate, firewall_after_plan(run.estate, present, swept.context), (hypervisor, *guests))
    return try_all(run.estate, matrix, links.shell, full=full)
