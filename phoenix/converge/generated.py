"""Things whose content is made on the host itself and never leaves it: secrets, state files, images, commands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from phoenix.converge.change import Change, Verb
from phoenix.converge.observe import Observation, Probe


@dataclass(frozen=True)
class GeneratedFile:
    """A file that is made once by a command on the host, with owner and mode; its content is never looked at."""

    path: str
    command: str
    owner: str = "root:root"
    mode: str = "0600"

    def probes(self) -> tuple[Probe, ...]:
        """Ask for owner and mode only."""
        return (Probe("stat", self.path),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Make it if it is absent; set owner and mode if they differ."""
        stat, path = seen.stats.get(self.path), shlex.quote(self.path)
        settle = f"chown {self.owner} {path} && chmod {self.mode} {path}"
        if stat is None:
            new = shlex.quote(f"{self.path}.phoenix-new")
            make = f"mkdir -p $(dirname {path}) && (umask 077; {{ {self.command}; }} >{new})"
            script = f"{make} && mv -fT {new} {path} && {settle}"
            return (Change(f"file {self.path}", "create", "made on the host", script=script),)
        if (stat.owner, stat.mode) == (self.owner, self.mode):
            return ()
        return (Change(f"file {self.path}", "update", f"is {stat.owner} {stat.mode}", script=settle),)


@dataclass(frozen=True)
class Command:
    """A state that one command tells and another brings about: `wanted` is what `question` should print."""

    name: str
    question: str
    wanted: str
    answer: str
    verb: Verb = "update"

    def probes(self) -> tuple[Probe, ...]:
        """Ask the question."""
        return (Probe("command", self.name, self.question),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Run the answer if the question is not answered as wanted."""
        said = seen.outputs.get(self.name, "").strip()
        if said == self.wanted:
            return ()
        reason = f"is {said!r}" if said else ""
        return (Change(self.name, self.verb, reason, script=self.answer),)


@dataclass(frozen=True)
class OwnedDirectory:
    """A directory whose owner is given by number, because names on the host say something else or nothing."""

    path: str
    uid: int
    gid: int
    mode: str

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the ids."""
        return (Probe("command", f"owner of {self.path}", f"stat -c '%u:%g %a' {shlex.quote(self.path)}"),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Make it, or set owner and mode."""
        said = seen.outputs.get(f"owner of {self.path}", "").strip()
        wanted = f"{self.uid}:{self.gid} {self.mode.lstrip('0')}"
        if said == wanted:
            return ()
        path = shlex.quote(self.path)
        script = f"mkdir -p {path} && chown {self.uid}:{self.gid} {path} && chmod {self.mode} {path}"
        reason = f"is {said}, should be {wanted}" if said else ""
        return (Change(f"directory {self.path}", "update" if said else "create", reason, script=script),)
