"""The final proof: request every route of the run's targets, through the edge and directly at the mesh."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from nornir.core.task import Task

from phoenix.converge import Outcome
from phoenix.derive.route_probes import RouteProbe, probes_of
from phoenix.errors import TaskFailedError
from phoenix.run import Run
from phoenix.tasks.proof.ask import RouteQuestions
from phoenix.tasks.proof.patience import SETTLE_SECONDS, START_SECONDS, patience
from phoenix.tasks.proof.reply import RouteReplies
from phoenix.tasks.proof.verdict import RouteVerdict, judge

FIRST_SECONDS, MAX_SECONDS = 2, 8
"""The time of a request: of the first one, doubled for each further one up to the second."""
PAUSE = 0.3
Ask = Callable[[Iterable[RouteProbe], int], dict[RouteProbe, RouteReplies]]


def prove_routes(task: Task, run: Run, *, dry_run: bool | None = None) -> Outcome:
    """Request every route of the targets whose host did not fail; a route that does not answer in time fails the run.

    The program of an external workload may be down: that is a note.
    """
    if task.is_dry_run(dry_run):
        return Outcome(task.host)
    verdicts = route_verdicts(run, task.host.name)
    if failed := [str(one) for one in verdicts if one.is_failure]:
        raise TaskFailedError(unanswered(failed))
    return Outcome(
        task.host,
        notes=[str(one) for one in verdicts if one.state != "answers"],
        answers=[one.name for one in verdicts if one.state == "answers"],
    )


def route_verdicts(run: Run, node: str, root: str = "") -> list[RouteVerdict]:
    """Judge the routes that a node proves; trust one root alone if it is given, in PEM."""
    probes = [probe for probe in probes_of(run.estate, run.targets, node) if _guest(probe) not in run.failed]
    limit = SETTLE_SECONDS if run.failed else None
    with run.links.waits.waiting(f"answers of {len(probes)} routes", limit or START_SECONDS, node):
        return settled(probes, RouteQuestions(run, root).ask, run.targets, limit)


def settled(
    probes: Iterable[RouteProbe], ask: Ask, targets: frozenset[str], limit: float | None = None
) -> list[RouteVerdict]:
    """Ask for routes until each answers or waiting for it is pointless; `limit` is the most seconds to wait."""
    start, seconds = time.monotonic(), FIRST_SECONDS
    verdicts: dict[RouteProbe, RouteVerdict] = {}
    waiting = list(probes)
    while waiting:
        seen = ask(waiting, seconds)
        verdicts |= {probe: judge(probe, seen[probe]) for probe in waiting}
        passed = time.monotonic() - start
        waits = {probe: patience(probe, verdicts[probe], targets) for probe in waiting}
        waiting = [probe for probe, wait in waits.items() if passed < (wait if limit is None else min(wait, limit))]
        seconds = min(MAX_SECONDS, seconds * 2)
        time.sleep(PAUSE if waiting else 0)
    return list(verdicts.values())


def unanswered(problems: list[str]) -> str:
    """The message for routes that do not answer, one a line."""
    noun = "route does" if len(problems) == 1 else "routes do"
    return "\n  ".join((f"{len(problems)} {noun} not answer:", *problems))


def _guest(probe: RouteProbe) -> str:
    return probe.backend.guest if probe.backend else probe.entries[-1].guest
