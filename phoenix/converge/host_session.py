"""A host during one run: observed in one round trip, and observed again only after a change."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from phoenix.connections.shell import Shell
from phoenix.connections.ssh import Completed, ConnectionFailedError
from phoenix.converge.apply import ApplyError, apply_script, check_applied, read_notes
from phoenix.converge.change import Change
from phoenix.converge.foreign import keeping
from phoenix.converge.observe import Observation, Probe, observe_script, read_observation
from phoenix.converge.resource import Resource

OBSERVE_SECONDS = 30.0
APPLY_SECONDS = 600.0


@dataclass(frozen=True)
class AppliedAhead:
    """Changes of one task that were made together with those of other hosts, and the result of their script.

    `scripted` are the changes that are part of the script.
    """

    changes: tuple[Change, ...]
    scripted: tuple[Change, ...]
    completed: Completed


class HostSession:
    """A root shell on a host and the observation so far.

    `shell` is None for a host that does not exist yet, and for one that cannot be entered yet: what that one lacks is
    unknown.
    """

    def __init__(self, name: str, shell: Shell | None, *, is_unknown: bool = False) -> None:
        self.name = name
        self.shell = shell
        self._is_unknown = is_unknown
        self.round_trips = 0
        self._seen = Observation()
        self._expected: set[Probe] = set()
        self._ahead: dict[str, AppliedAhead] = {}
        self._notes: tuple[str, ...] = ()

    def expect(self, resources: Iterable[Resource]) -> None:
        """Announce resources, so that the next observation includes them."""
        self._expected |= probes_of(resources)

    def observe(self, resources: Iterable[Resource]) -> Observation:
        """Observe resources; connect to the host only if a result is unknown. ConnectionFailedError if that fails."""
        needed = probes_of(resources)
        if self.shell is None:
            return Observation(probes=needed)
        if not needed <= self._seen.probes:
            probes, now = needed | self._expected | self._seen.probes, time.time()
            done = self.shell.run(question(probes), OBSERVE_SECONDS)
            self.round_trips += 1
            if done.status:
                reason = done.err.strip() or f"exit status {done.status}"
                raise ConnectionFailedError(f"{self.name}: its shell does not answer: {reason}")
            self._seen = read_observation(probes, done.out)
            self._seen.at = now
        return self._seen

    def plan(self, resources: Sequence[Resource]) -> tuple[Change, ...]:
        """Observe resources and compare them, without a change; the plan of an unknown host is empty."""
        if self._is_unknown:
            return ()
        seen = self.observe(resources)
        return tuple(change for resource in resources for change in resource.changes(seen))

    def converge(self, resources: Sequence[Resource]) -> tuple[Change, ...]:
        """Make the changes that bring the host to the desired state, and return them."""
        changes = self.plan(resources)
        if changes:
            self.apply(changes)
        return changes

    def knows(self, resources: Iterable[Resource]) -> bool:
        """Report whether the resources have been observed since the last change."""
        return probes_of(resources) <= self._seen.probes

    def learn(self, probes: Iterable[Probe], output: str) -> None:
        """Store the output of a `question` that ran together with those of other hosts."""
        self.round_trips += 1
        self._seen = read_observation(probes, output)
        self._seen.at = time.time()

    def add_applied(self, task: str, applied: AppliedAhead) -> None:
        """Store the result of a task's changes that were made ahead of the task itself."""
        self.round_trips += 1
        self._ahead[task] = applied

    def take_applied(self, task: str) -> tuple[Change, ...] | None:
        """Take the changes that were made ahead of a task; None without such changes, ApplyError if one failed."""
        applied = self._ahead.pop(task, None)
        if applied is None:
            return None
        self._check(applied.scripted, applied.completed)
        self.forget()
        return applied.changes

    def apply(self, changes: Sequence[Change]) -> None:
        """Make the changes; ApplyError names the one that failed."""
        if self.shell is None:
            raise ApplyError(f"{self.name} does not exist")
        for change in changes:
            if change.upload:
                self._upload(change)
        scripted = [change for change in changes if change.script]
        if scripted:
            done = self.run(apply_script(scripted), APPLY_SECONDS)
            self._check(scripted, done)
        self.forget()

    def take_notes(self) -> tuple[str, ...]:
        """Take the notes for the operator that the changes so far left."""
        notes, self._notes = self._notes, ()
        return notes

    def run(self, script: str, limit: float = OBSERVE_SECONDS) -> Completed:
        """Run a script that neither observes nor changes a resource; `limit` is in seconds."""
        if self.shell is None:
            raise ApplyError(f"{self.name} does not exist")
        self.round_trips += 1
        return self.shell.run(script, limit)

    def forget(self) -> None:
        """Drop the observation, because it may be outdated; the next one includes all of its probes again."""
        self._expected |= self._seen.probes
        self._seen = Observation()

    def _check(self, scripted: Sequence[Change], done: Completed) -> None:
        check_applied(scripted, done.out, done.status, done.err)
        self._notes += read_notes(done.out)

    def _upload(self, change: Change) -> None:
        if self.shell is None or change.upload is None:
            return
        upload = change.upload
        if upload.keeps:
            keep = Change(change.resource, change.verb, script=keeping(upload.path, "true"))
            self._check([keep], self.run(apply_script([keep])))
        done = self.shell.upload(upload.source, upload.path, upload.mode, upload.mtime)
        self.round_trips += 1
        if done.status:
            raise ApplyError(f"{change} failed: {done.err.strip() or f'exit status {done.status}'}")


def probes_of(resources: Iterable[Resource]) -> set[Probe]:
    """Collect the probes of resources."""
    return {probe for resource in resources for probe in resource.probes()}


def question(probes: Iterable[Probe]) -> str:
    """Write the script that observes a host, with its environment."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return f"export PATH={path} LC_ALL=C.UTF-8 HOME=/root\n{observe_script(probes)}"
