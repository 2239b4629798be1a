"""A host during one run: asked once, in one round trip, and asked again only after something was changed on it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from phoenix.connections.shell import Shell
from phoenix.connections.ssh import Completed, ConnectionFailedError
from phoenix.converge.apply import ApplyError, apply_script, check_applied
from phoenix.converge.change import Change
from phoenix.converge.observe import Observation, Probe, observe_script, read_observation
from phoenix.converge.resource import Resource

OBSERVE_SECONDS = 30.0
APPLY_SECONDS = 600.0


class HostSession:
    """Root on a host, with what is known of it so far. `shell` is None for a host that does not exist yet."""

    def __init__(self, name: str, shell: Shell | None) -> None:
        self.name = name
        self.shell = shell
        self.round_trips = 0
        self._seen = Observation()
        self._expected: set[Probe] = set()
        self._ahead: dict[tuple[tuple[str, str], ...], tuple[Sequence[Change], Completed]] = {}

    def expect(self, resources: Iterable[Resource]) -> None:
        """Say what will be asked later, so that it is asked together."""
        self._expected |= {probe for resource in resources for probe in resource.probes()}

    def observe(self, resources: Iterable[Resource]) -> Observation:
        """Say what is known of the resources, asking the host if anything of it is not known yet."""
        needed = {probe for resource in resources for probe in resource.probes()}
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

    def knows(self, resources: Iterable[Resource]) -> bool:
        """Tell whether all that the resources ask is known."""
        return {probe for resource in resources for probe in resource.probes()} <= self._seen.asked

    def learn(self, probes: Iterable[Probe], output: str) -> None:
        """Take the answer to a `question` that was asked another way, together with other hosts."""
        self.round_trips += 1
        self._seen = read_observation(probes, output)
        self._seen.at = time.time()

    def ran(self, wanted: Sequence[Change], scripted: Sequence[Change], done: Completed) -> None:
        """Take what came of a script of changes that was run ahead, together with other hosts; `made` tells of it.

        `scripted` are those that the script was of, `wanted` those that a task will ask for.
        """
        self.round_trips += 1
        self._ahead[_names(wanted)] = (scripted, done)

    def made(self, changes: Sequence[Change]) -> bool:
        """Tell whether the changes were made ahead; ApplyError names the one that failed."""
        scripted, done = self._ahead.pop(_names(changes), ((), None))
        if done is None:
            return False
        check_applied(scripted, done.out, done.status, done.err)
        self.forget()
        return True

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
        """Drop what is known, because it may have changed; the next question asks for all of it again."""
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


def _names(changes: Sequence[Change]) -> tuple[tuple[str, str], ...]:
    """What changes of one host are told apart by from one moment to the next: reasons may say how much time is left."""
    return tuple((change.resource, change.verb) for change in changes)


def question(probes: Iterable[Probe]) -> str:
    """The script that asks a host all of it."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return f"export PATH={path} LC_ALL=C.UTF-8 HOME=/root\n{observe_script(probes)}"
