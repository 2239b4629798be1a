"""The record of a run: the tasks of each host, each with its changes or its error."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phoenix.converge import Change
from phoenix.run.stage import Step


@dataclass(frozen=True)
class TaskRecord:
    """One task on one host. `seconds` is its wall time; `error` and `notes` are text for a person.

    `answers` are the names of routes that answered. `step` is the step of the chain; None for a host that was left out.
    """

    stage: str
    task: str
    seconds: float
    changes: tuple[Change, ...] = ()
    error: str | None = None
    skipped: bool = False
    notes: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    step: Step | None = None

    def as_json(self) -> dict[str, Any]:
        """The record as an object of `--json`."""
        changes = [{"resource": c.resource, "action": c.verb, "reason": c.reason, "diff": c.diff} for c in self.changes]
        fields: dict[str, Any] = {
            "task": self.task,
            "stage": self.stage,
            "changed": bool(self.changes),
            "failed": self.error is not None,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 3),
            "changes": changes,
        }
        fields |= {"notes": list(self.notes)} if self.notes else {}
        fields |= {"answers": list(self.answers)} if self.answers else {}
        return fields | ({"error": self.error} if self.error else {})


@dataclass
class RunRecord:
    """The tasks of a run by host, and the wall time of each stage in seconds; threads can add to it."""

    started: float = field(default_factory=time.monotonic)
    hosts: dict[str, list[TaskRecord]] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    round_trips: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, host: str, record: TaskRecord) -> None:
        """Add the record of a task on a host."""
        with self._lock:
            self.hosts.setdefault(host, []).append(record)

    @property
    def changed(self) -> int:
        """The number of changes that were made, or are planned by a dry run."""
        return sum(len(record.changes) for records in self.hosts.values() for record in records)

    @property
    def failed(self) -> list[str]:
        """The hosts on which a task failed, or that were skipped because they depend on such a host."""
        return [name for name, records in self.hosts.items() if any(record.error for record in records)]

    def errors(self) -> dict[str, str]:
        """The errors by host."""
        return {name: "; ".join(r.error for r in self.hosts[name] if r.error) for name in self.failed}

    def did(self, step: Step) -> bool:
        """Report whether a step ran and failed on no host."""
        records = self.of(step)
        return bool(records) and not any(record.error for record in records)

    def of(self, step: Step) -> list[TaskRecord]:
        """The records of a step, of all hosts."""
        return [record for records in self.hosts.values() for record in records if record.step == step]

    @property
    def seconds(self) -> float:
        """Wall time since the start of the run."""
        return time.monotonic() - self.started

    def as_json(self) -> dict[str, Any]:
        """The record as the document of `--json`."""
        return {
            "changed": self.changed,
            "failed": self.failed,
            "seconds": round(self.seconds, 3),
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
            "hosts": {
                name: {"round_trips": self.round_trips.get(name, 0), "tasks": [r.as_json() for r in records]}
                for name, records in self.hosts.items()
            },
        }

    def write(self, path: Path) -> None:
        """Write the record as JSON."""
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", "utf-8")
