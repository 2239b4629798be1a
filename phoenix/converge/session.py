"""A host during one run: asked once, in one round trip, and asked again only after something was changed on it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from phoenix.connections.shell import Shell
from phoenix.connections.ssh import Completed, ConnectionFailedError
from phoenix.converge.apply import ApplyError, apply_script, check_applied
from phoenix.converge.change import Change
from phoenix.converge.observe import Observation, Probe, observe_script, read_observation
from phoenix.converge.resource import Resource

OBSERVE_SECONDS = 30.0
APPLY_SECONDS = 600.0


@dataclass(frozen=True)
class AppliedAhead:
    """Changes of one task that were made together with other hosts' changes, and how the script for them ended.

    `scripted` are the changes that the script was made of.
    """

    changes: tuple[Change, ...]
    scripted: tuple[Change, ...]
    completed: Completed


class HostSession:
    """A root shell on a host, with what is known of it so far. `shell` is None for a host that does not exist yet."""

    def __init__(self, name: str, shell: Shell | None) -> None:
        self.name = name
        self.shell = shell
        self.round_trips = 0
        self._seen = Observation()
        self._expected: set[Probe] = set()
        self._ahead: dict[str, AppliedAhead] = {}

    def expect(self, resources: Iterable[Resource]) -> None:
        """Announce later questions, so that they are asked together with the next one."""
        self._expected |= probes_of(resources)

    def observe(self, resources: Iterable[Resource]) -> Observation:
        """Observe resources; ask the host if any of the answers is not known yet."""
        needed = probes_of(resources)
        if self.shell is None:
            return Observation(asked=needed)
        if not needed <= self._seen.asked:
            asked, now = needed | self._expected | self._seen.asked, time.time()
            done = self.shell.run(question(asked), OBSERVE_SECONDS)
            self.round_trips += 1
            if done.status:
                reason = done.err.strip() or f"exit status {done.status}"
                raise ConnectionFailedError(f"{self.name}: its shell does not answer: {reason}")
            self._seen = read_observation(asked, done.out)
            self._seen.at = now
        return self._seen

    def plan(self, resources: Sequence[Resource]) -> tuple[Change, ...]:
        """Observe resources and compare; change nothing."""
        seen = self.observe(resources)
        return tuple(change for resource in resources for change in resource.changes(seen))

    def converge(self, resources: Sequence[Resource]) -> tuple[Change, ...]:
        """Make the changes that bring the host to the resources, and give them."""
        changes = self.plan(resources)
        if changes:
            self.apply(changes)
        return changes

    def knows(self, resources: Iterable[Resource]) -> bool:
        """Report whether all answers about the resources are known."""
        return probes_of(resources) <= self._seen.asked

    def learn(self, probes: Iterable[Probe], output: str) -> None:
        """Take the answer to a `question` that was asked together with other hosts."""
        self.round_trips += 1
        self._seen = read_observation(probes, output)
        self._seen.at = time.time()

    def add_applied(self, task: str, applied: AppliedAhead) -> None:
        """Keep the result of a task's changes that were made ahead of the task itself."""
        self.round_trips += 1
        self._ahead[task] = applied

    def take_applied(self, task: str) -> tuple[Change, ...] | None:
        """Take the changes that were made ahead of a task; None if there are none, ApplyError if one failed."""
        applied = self._ahead.pop(task, None)
        if applied is None:
            return None
        check_applied(applied.scripted, applied.completed.out, applied.completed.status, applied.completed.err)
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
            check_applied(scripted, done.out, done.status, done.err)
        self.forget()

    def run(self, script: str, limit: float = OBSERVE_SECONDS) -> Completed:
        """Run a script that is neither a question nor a change of a resource."""
        if self.shell is None:
            raise ApplyError(f"{self.name} does not exist")
        self.round_trips += 1
        return self.shell.run(script, limit)

    def forget(self) -> None:
        """Drop all answers, because they may have changed; the next question asks for all of them again."""
        self._expected |= self._seen.asked
        self._seen = Observation()

    def _upload(self, change: Change) -> None:
        if self.shell is None or change.upload is None:
            return
        upload = change.upload
        done = self.shell.upload(upload.source, upload.path, upload.mode, upload.mtime)
        self.round_trips += 1
        if done.status:
            raise ApplyError(f"{change} failed: {done.err.strip() or f'exit status {done.status}'}")


def probes_of(resources: Iterable[Resource]) -> set[Probe]:
    """Collect the questions of resources."""
    return {probe for resource in resources for probe in resource.probes()}


def question(probes: Iterable[Probe]) -> str:
    """Write the script that asks a host everything at once."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return f"export PATH={path} LC_ALL=C.UTF-8 HOME=/root\n{observe_script(probes)}"
