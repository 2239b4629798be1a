"""Resources with content that is generated on the host and never leaves it: secrets, state files, images, commands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from phoenix.converge.change import Change, Verb
from phoenix.converge.observe import Observation, Probe


@dataclass(frozen=True)
class GeneratedFile:
    """A file that a command generates once on the host, with owner and octal mode; its content is never read."""

    path: str
    command: str
    owner: str = "root:root"
    mode: str = "0600"

    def probes(self) -> tuple[Probe, ...]:
        """Query owner and mode only."""
        return (Probe("stat", self.path),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Generate the file if it is absent; set owner and mode if they differ."""
        stat, path = seen.stats.get(self.path), shlex.quote(self.path)
        set_ownership = f"chown {self.owner} {path} && chmod {self.mode} {path}"
        if stat is None:
            new = shlex.quote(f"{self.path}.phoenix-new")
            generate = f"mkdir -p $(dirname {path}) && (umask 077; {{ {self.command}; }} >{new})"
            script = f"{generate} && mv -fT {new} {path} && {set_ownership}"
            return (Change(f"file {self.path}", "create", "generated on the host", script=script),)
        if (stat.owner, stat.mode) == (self.owner, self.mode):
            return ()
        return (Change(f"file {self.path}", "update", f"is {stat.owner} {stat.mode}", script=set_ownership),)


@dataclass(frozen=True)
class Command:
    """A state that the command `question` reports and `answer` establishes; `wanted` is the output to be reported."""

    name: str
    question: str
    wanted: str
    answer: str
    verb: Verb = "update"

    def probes(self) -> tuple[Probe, ...]:
        """Run the question."""
        return (Probe("command", self.name, self.question),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Run the answer if the output of the question is not as wanted."""
        output = seen.outputs.get(self.name, "").strip()
        if output == self.wanted:
            return ()
        reason = f"is {output!r}" if output else ""
        return (Change(self.name, self.verb, reason, script=self.answer),)


@dataclass(frozen=True)
class OwnedDirectory:
    """A directory with its owner by number, because the ids have other names, or none, on the host."""

    path: str
    uid: int
    gid: int
    mode: str

    def probes(self) -> tuple[Probe, ...]:
        """Query the ids and the mode."""
        return (Probe("command", f"owner of {self.path}", f"stat -c '%u:%g %a' {shlex.quote(self.path)}"),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Create the directory, or set its owner and mode."""
        actual, wanted = self._actual(seen), self._wanted
        if actual == wanted:
            return ()
        path = shlex.quote(self.path)
        script = f"mkdir -p {path} && chown {self.uid}:{self.gid} {path} && chmod {self.mode} {path}"
        reason = f"is {actual}, should be {wanted}; what is in it stays as it is" if actual else ""
        return (Change(f"directory {self.path}", "update" if actual else "create", reason, script=script),)

    def is_wrong(self, seen: Observation) -> bool:
        """Report whether the directory is there with another owner or mode."""
        return self._actual(seen) not in ("", self._wanted)

    def _actual(self, seen: Observation) -> str:
        return seen.outputs.get(f"owner of {self.path}", "").strip()

    @property
    def _wanted(self) -> str:
        return f"{self.uid}:{self.gid} {self.mode.lstrip('0')}"
