"""Run stages with Nornir: hosts in parallel, failures limited to a host and its dependents, Ctrl-C between steps."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from nornir.core import Nornir
from nornir.core.task import Result, Task

from phoenix.connections.waits import acting_for
from phoenix.converge import Change, PartialFailureError
from phoenix.errors import PhoenixError
from phoenix.estate import Guest, Template
from phoenix.run.context import Run
from phoenix.run.record import RunRecord, TaskRecord
from phoenix.run.stage import Stage, Step

Announce = Callable[[str, TaskRecord], None]


class Runner:
    """Run the stages of a run; record and announce each task."""

    def __init__(self, nornir: Nornir, run: Run, record: RunRecord, announce: Announce) -> None:
        self._nornir = nornir
        self.run = run
        self._record = record
        self._announce = announce
        self._stop = threading.Event()
        self._excluded: dict[str, str] = {}

    def take(self, stages: Sequence[Stage]) -> None:
        """Run the stages in order. After Ctrl-C or SIGTERM, finish the current steps and raise KeyboardInterrupt."""
        handlers = {kind: signal.signal(kind, self._interrupt) for kind in (signal.SIGINT, signal.SIGTERM)}
        try:
            for stage in stages:
                self._take_stage(stage)
                if self._stop.is_set():
                    raise KeyboardInterrupt
        finally:
            for kind, handler in handlers.items():
                signal.signal(kind, handler)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        """Ask all threads to stop after their step; a second Ctrl-C does not wait for them."""
        if self._stop.is_set():
            raise KeyboardInterrupt
        self._stop.set()

    def _take_stage(self, stage: Stage) -> None:
        started = time.monotonic()
        hosts = stage.hosts(self.run.estate, self.run.targets)
        for name in hosts:
            self._leave_out_dependents(name, stage)
        ready = {name for name in hosts if name not in self._excluded}
        if ready:
            nornir = self._nornir.filter(filter_func=lambda host: host.name in ready)
            nornir.run(task=_take_steps, name=stage.name, runner=self, stage=stage)
        self._record.stages[stage.name] = time.monotonic() - started

    def take_step(self, task: Task, stage: Stage, step: Step) -> bool:
        """Run one step on one host and record it; return False if the host must not continue the stage."""
        name, started = task.host.name, time.monotonic()
        if self._stop.is_set():
            return False
        changes: tuple[Change, ...] = ()
        notes: tuple[str, ...] = ()
        answers: tuple[str, ...] = ()
        error = None
        try:
            with acting_for(name):
                outcome = step.task(task, run=self.run)
            changes, notes, answers = outcome.changes, outcome.notes, outcome.answers
        except PartialFailureError as failure:
            changes, error = failure.changes, _describe(failure.__cause__)
        except Exception as problem:  # noqa: BLE001  # a bug that occurs on one host must not stop the others
            error = _describe(problem)
        seconds = time.monotonic() - started
        record = TaskRecord(
            stage.name, step.task.__name__, seconds, changes, error, notes=notes, answers=answers, step=step
        )
        self._record.add(name, record)
        self._announce(name, record)
        if error:
            self._excluded[name] = error
            self.run.failed.add(name)
        return error is None

    def _leave_out_dependents(self, name: str, stage: Stage) -> None:
        if name in self._excluded:
            return
        cause = self._failed_dependency(name, set())
        if cause:
            self._excluded[name] = f"left out: it depends on {cause}, which failed"
            record = TaskRecord(stage.name, stage.name, 0.0, error=self._excluded[name], skipped=True)
            self._record.add(name, record)
            self._announce(name, record)

    def _failed_dependency(self, name: str, visited: set[str]) -> str | None:
        host = self.run.estate.host(name)
        needs: tuple[str, ...] = ()
        if isinstance(host, Guest | Template):
            is_new = host.vmid not in self.run.guests
            needs = (host.hypervisor, *((host.clone_of,) if host.clone_of and is_new else ()))
        if isinstance(host, Guest):
            needs += host.depends_on
        for need in needs:
            if need in visited:
                continue
            visited.add(need)
            if need in self._excluded:
                return need
            if cause := self._failed_dependency(need, visited):
                return cause
        return None


def _describe(error: BaseException | None) -> str:
    """Format an error: the message of a PhoenixError; any other error is a bug and includes its type."""
    return str(error) if isinstance(error, PhoenixError) else f"unexpected {type(error).__name__}: {error}"


def _take_steps(task: Task, runner: Runner, stage: Stage) -> Result:
    for step in stage.steps:
        if task.host.name in step.hosts(runner.run.estate, runner.run.targets) and not runner.take_step(
            task, stage, step
        ):
            break
    return Result(host=task.host)
