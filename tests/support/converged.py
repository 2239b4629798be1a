"""A simulated host: paths, packages, units and outputs of commands, converged to resources, answering their probes.

A test converges a host, lets something drift, and compares the planned changes. `bring` has a rule for each kind of
resource; `tests.support.task_resources` adds those of the tasks. No shell runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import singledispatch
from pathlib import PurePosixPath
from typing import Literal

from phoenix.converge import (
    BehindMount,
    Command,
    Daemon,
    Directory,
    File,
    GeneratedFile,
    JsonKeys,
    Leftovers,
    ManagedGlob,
    Observation,
    OwnedDirectory,
    Packages,
    PinnedProgram,
    ReadOnlyFile,
    Resource,
    Timers,
    Unit,
    User,
)
from phoenix.converge.host_session import probes_of
from phoenix.converge.observe import FileStat, UnitState

Drift = Literal["add", "remove", "edit", "chmod", "chown", "stop", "disable", "uninstall", "answer"]
UNKNOWN = UnitState("not-found", "inactive", "", reload_needed=False)
"""What systemctl(1) shows of a unit that does not exist."""


Answer = Callable[["SimulatedHost"], str]
"""Output of a command that depends on the rest of the host."""


@dataclass
class Entry:
    """A path of the host. `size` in bytes is set only where no content is simulated; `mtime` is in seconds."""

    content: bytes = b""
    owner: str = "root:root"
    mode: str = "0644"
    type: str = "regular file"
    size: int | None = None
    mtime: int = 0

    @property
    def stat(self) -> FileStat:
        """What a probe of the path sees."""
        return FileStat(
            self.type, self.mode, self.owner, len(self.content) if self.size is None else self.size, self.mtime
        )


@dataclass
class SimulatedHost:
    """State of a host; `outputs` are those of commands by the subject of their probe, or functions of the host."""

    paths: dict[str, Entry] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    units: dict[str, UnitState] = field(default_factory=dict)
    outputs: dict[str, str | Answer] = field(default_factory=dict)

    def converge(self, resources: Iterable[Resource]) -> SimulatedHost:
        """Bring the host to the resources, in their order."""
        for resource in resources:
            bring(resource, self)
        return self

    def drift(self, kind: Drift, subject: str) -> None:
        """Change one thing by hand; KeyError if the host does not have it."""
        match kind:
            case "add":
                self.paths[subject] = Entry()
            case "remove":
                del self.paths[subject]
            case "edit":
                self.paths[subject].content = b"edited\n"
            case "chmod":
                self.paths[subject].mode = "0777"
            case "chown":
                self.paths[subject].owner = "other:other"
            case "stop":
                self.units[subject] = replace(self.units[subject], active="inactive")
            case "disable":
                self.units[subject] = replace(self.units[subject], file="disabled")
            case "uninstall":
                self.packages.remove(subject)
            case "answer":
                assert subject in self.outputs, f"{subject} is not asked for"
                self.outputs[subject] = "another answer"

    def observe(self, resources: Iterable[Resource]) -> Observation:
        """Answer the probes of the resources, and no others."""
        seen = Observation(probes=probes_of(resources), at=time.time())
        for probe in seen.probes:
            entry = self.paths.get(probe.subject)
            match probe.kind:
                case "stat" if entry:
                    seen.stats[probe.subject] = entry.stat
                case "content" if entry and entry.type.startswith("regular"):
                    seen.contents[probe.subject] = entry.content
                case "package" if probe.subject in self.packages:
                    seen.packages[probe.subject] = "installed"
                case "unit":
                    seen.units[probe.subject] = self.units.get(probe.subject, UNKNOWN)
                case "listing" if listed := self.matching(probe.subject):
                    seen.listings[probe.subject] = listed
                case "command":
                    answer = self.outputs.get(probe.subject, "")
                    seen.outputs[probe.subject] = answer if isinstance(answer, str) else answer(self)
        return seen

    def matching(self, pattern: str) -> tuple[str, ...]:
        """List the paths that a shell's pattern matches."""
        return tuple(sorted(path for path in self.paths if PurePosixPath(path).match(pattern)))

    def plan(self, resources: Iterable[Resource]) -> list[str]:
        """Plan the changes, each as `verb resource`; guards are left out."""
        resources = tuple(resources)
        seen = self.observe(resources)
        changes = (change for resource in resources for change in resource.changes(seen))
        return [f"{change.verb} {change.resource}" for change in changes if not change.guard]


@singledispatch
def bring(resource: object, _host: SimulatedHost) -> None:
    """Bring a host to a resource; TypeError for a kind of resource without a rule."""
    raise TypeError(f"{type(resource).__name__} has no rule: register one with `bring`")


@bring.register
def _(resource: File, host: SimulatedHost) -> None:
    host.paths[resource.path] = Entry(resource.content.encode(), resource.owner, resource.mode)


@bring.register
def _(resource: Directory, host: SimulatedHost) -> None:
    host.paths[resource.path] = Entry(b"", resource.owner, resource.mode, "directory")


@bring.register
def _(resource: GeneratedFile, host: SimulatedHost) -> None:
    host.paths[resource.path] = Entry(b"generated\n", resource.owner, resource.mode)


@bring.register
def _(resource: BehindMount, host: SimulatedHost) -> None:
    bring(resource.inner, host)


@bring.register
def _(resource: JsonKeys, host: SimulatedHost) -> None:
    host.paths[resource.path] = Entry(json.dumps(resource.values).encode())


@bring.register
def _(resource: Leftovers, host: SimulatedHost) -> None:
    (probe,) = resource.probes()
    if probe.kind == "command":
        host.outputs[probe.subject] = "\n".join(resource.keep)
    elif resource.mark.encode() in host.paths.get(resource.pattern, Entry()).content:
        del host.paths[resource.pattern]


@bring.register
def _(_resource: ReadOnlyFile, _host: SimulatedHost) -> None:
    """Leave the host as it is."""


@bring.register
def _(resource: ManagedGlob, host: SimulatedHost) -> None:
    for path in host.matching(resource.pattern):
        if path not in resource.keep:
            del host.paths[path]


@bring.register
def _(resource: Command, host: SimulatedHost) -> None:
    host.outputs[resource.name] = resource.wanted


@bring.register
def _(resource: OwnedDirectory, host: SimulatedHost) -> None:
    (probe,) = resource.probes()
    host.outputs[probe.subject] = f"{resource.uid}:{resource.gid} {int(resource.mode, 8):o}\n"


@bring.register
def _(resource: User, host: SimulatedHost) -> None:
    (probe,) = resource.probes()
    ids = f"{resource.uid}:{resource.uid}"
    host.outputs[probe.subject] = f"{resource.name}:x:{ids}::{resource.home}:/usr/sbin/nologin\n"


@bring.register
def _(resource: Packages, host: SimulatedHost) -> None:
    host.packages.update(resource.names)


@bring.register
def _(resource: PinnedProgram, host: SimulatedHost) -> None:
    upload = resource.upload
    host.paths[upload.path] = Entry(mode=upload.mode, size=resource.size, mtime=upload.mtime)


@bring.register
def _(resource: Unit, host: SimulatedHost) -> None:
    if resource.file:
        bring(resource.file, host)
    seen = replace(host.units.get(resource.name, UNKNOWN), load="loaded")
    if resource.active is not None:
        seen = replace(seen, active="active" if resource.active else "inactive")
    host.units[resource.name] = replace(seen, file="enabled") if resource.enabled else seen


@bring.register
def _(resource: Daemon, host: SimulatedHost) -> None:
    host.converge((resource.unit, *resource.files, *resource.reread, *resource.watched))


@bring.register
def _(resource: Timers, host: SimulatedHost) -> None:
    host.converge(resource.units)


def drifted(resources: Sequence[Resource], kind: Drift, subject: str) -> list[str]:
    """Plan what corrects one drift of a host that was converged to the resources."""
    host = SimulatedHost().converge(resources)
    host.drift(kind, subject)
    return host.plan(resources)


def migrated(before: Sequence[Resource], after: Sequence[Resource]) -> list[str]:
    """Plan what a host that was converged to some resources needs for others, and expect no change after that."""
    host = SimulatedHost().converge(before)
    changes = host.plan(after)
    assert host.converge(after).plan(after) == []
    return changes
