"""The matrix on demand: test the present firewall with real packets between running hosts."""

from __future__ import annotations

import threading

from nornir.core.task import Task

from phoenix.connections.links import Links
from phoenix.converge import Outcome
from phoenix.estate import Guest, Hypervisor
from phoenix.pve.firewall.plan.after_plan import firewall_after_plan
from phoenix.pve.firewall.plan.level import LevelPlan
from phoenix.pve.firewall.query.attempt import AttemptResult
from phoenix.pve.firewall.query.matrix import Matrix
from phoenix.pve.nics import UndeclaredNic
from phoenix.run import Run
from phoenix.tasks.firewall.attempts import try_all
from phoenix.tasks.firewall.plan import touched
from phoenix.tasks.firewall.read_levels import Swept, sweep


class Reach:
    """Collects the results of all hypervisors, and guests' undeclared interfaces; `full` tries every port."""

    def __init__(self, *, full: bool) -> None:
        self._full = full
        self._lock = threading.Lock()
        self.tried: list[AttemptResult] = []
        self.undeclared: dict[str, tuple[UndeclaredNic, ...]] = {}

    def try_connections(self, task: Task, run: Run) -> Outcome:
        """Try every connection between a hypervisor and the guests that run there."""
        hypervisor = run.estate.hypervisor(task.host.name)
        swept = sweep_present(run, hypervisor, run.links)
        found = try_swept(run, hypervisor, run.links, swept, full=self._full)
        with self._lock:
            self.tried += found
            self.undeclared |= swept.undeclared
        return Outcome(task.host)


def try_present(run: Run, hypervisor: Hypervisor, links: Links) -> list[AttemptResult]:
    """Read the present firewall, and try connections between the hypervisor and the run's guests there."""
    return try_swept(run, hypervisor, links, sweep_present(run, hypervisor, links))


def sweep_present(run: Run, hypervisor: Hypervisor, links: Links) -> Swept:
    """Read the present firewall of the hypervisor and of the run's guests there that run."""
    return sweep(links.api(hypervisor.name), run.estate, hypervisor, _running(run, hypervisor))


def try_swept(
    run: Run, hypervisor: Hypervisor, links: Links, swept: Swept, *, full: bool = False
) -> list[AttemptResult]:
    """Try every connection between the hypervisor and the run's guests there, under a firewall that was read.

    A guest that is not at its declared address yet takes no part.
    """
    running = _running(run, hypervisor)
    guests = [guest for guest in running if guest.name not in swept.moving and not links.is_elsewhere(guest)]
    present = (LevelPlan(level, (), config, ()) for level, config in swept.levels.items())
    firewall = firewall_after_plan(run.estate, present, swept.context)
    matrix = Matrix(run.estate, firewall, (hypervisor, *guests))
    return try_all(run.estate, matrix, links.shell, full=full)


def _running(run: Run, hypervisor: Hypervisor) -> list[Guest]:
    return [guest for guest in touched(run, hypervisor) if run.guests.is_running(guest.vmid)]
