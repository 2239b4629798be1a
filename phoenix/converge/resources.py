"""Things a host should have. Each says what to ask, and from the answer what must change; none does any I/O."""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from phoenix.converge.change import Change, Upload, text_diff
from phoenix.converge.observe import Observation, Probe

SYSTEMD = "/etc/systemd/system"
BEGUN = "/var/lib/phoenix/begun"
"""Marks of daemons whose files are being changed; one that outlives its script tells of an interruption."""


class Resource(Protocol):
    """Something with a desired state."""

    def probes(self) -> tuple[Probe, ...]:
        """What to ask the host."""

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """What differs, in the order in which it is to be put right."""


@dataclass(frozen=True)
class Directory:
    """A directory with its owner (`user:group`) and octal mode."""

    path: str
    owner: str = "root:root"
    mode: str = "0755"

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the path itself."""
        return (Probe("stat", self.path),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Make it, or set owner and mode."""
        stat = seen.stats.get(self.path)
        path = shlex.quote(self.path)
        settle = f"chown {self.owner} {path} && chmod {self.mode} {path}"
        if stat is None:
            return (Change(f"directory {self.path}", "create", script=f"mkdir -p {path} && {settle}"),)
        if stat.type != "directory":
            script = f"mv {path} {path}.replaced-by-phoenix && mkdir -p {path} && {settle}"
            return (Change(f"directory {self.path}", "update", f"is a {stat.type}", script=script),)
        wrong = _ownership(stat.owner, stat.mode, self.owner, self.mode)
        return (Change(f"directory {self.path}", "update", wrong, script=settle),) if wrong else ()


@dataclass(frozen=True)
class File:
    """A text file with its owner and mode."""

    path: str
    content: str
    owner: str = "root:root"
    mode: str = "0644"

    def probes(self) -> tuple[Probe, ...]:
        """Ask for owner, mode and content."""
        return (Probe("stat", self.path), Probe("content", self.path))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write it anew if it differs; set owner and mode if only they do."""
        stat, before = seen.stats.get(self.path), seen.text(self.path)
        put = write_script(self.path, self.content, self.owner, self.mode)
        if stat is None:
            return (Change(f"file {self.path}", "create", diff=text_diff(self.path, None, self.content), script=put),)
        if stat.type == "directory":
            script = f"fail {shlex.quote(f'{self.path} is a directory, and should be a file: move it away')}"
            return (Change(f"file {self.path}", "update", "is a directory", script=script),)
        if not stat.type.startswith("regular"):
            diff = text_diff(self.path, before, self.content)
            return (Change(f"file {self.path}", "update", f"is a {stat.type}", diff, put),)
        if before != self.content:
            diff = text_diff(self.path, before, self.content)
            return (Change(f"file {self.path}", "update", "content differs", diff, put),)
        wrong = _ownership(stat.owner, stat.mode, self.owner, self.mode)
        if not wrong:
            return ()
        path = shlex.quote(self.path)
        script = f"chown {self.owner} {path} && chmod {self.mode} {path}"
        return (Change(f"file {self.path}", "update", wrong, script=script),)


@dataclass(frozen=True)
class Exclusive:
    """A glob pattern whose files are all ours: strangers are removed, and stopped first if they are units."""

    pattern: str
    keep: tuple[str, ...]

    def probes(self) -> tuple[Probe, ...]:
        """Ask what is there."""
        return (Probe("listing", self.pattern),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Remove what nobody declared."""
        strangers = [path for path in seen.listings.get(self.pattern, ()) if path not in self.keep]
        return tuple(
            Change(f"file {path}", "remove", "nothing in the inventory asks for it", script=self._removal(path))
            for path in strangers
        )

    def _removal(self, path: str) -> str:
        quoted = shlex.quote(path)
        if not path.startswith(SYSTEMD):
            return f"save {quoted} && rm -rf {quoted}"
        unit = shlex.quote(path.rsplit("/", 1)[1])
        return f"systemctl disable --now {unit} && rm -f {quoted} && systemctl daemon-reload"


@dataclass(frozen=True)
class Packages:
    """Debian packages that must be installed; their services are not started by the installation."""

    names: tuple[str, ...]

    def probes(self) -> tuple[Probe, ...]:
        """Ask dpkg."""
        return tuple(Probe("package", name) for name in self.names)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Install what is missing, in one go."""
        missing = [name for name in self.names if seen.packages.get(name) != "installed"]
        if not missing:
            return ()
        names = " ".join(map(shlex.quote, missing))
        return (Change(f"packages {' '.join(missing)}", "install", script=f"install_packages {names}"),)


@dataclass(frozen=True)
class User:
    """A system user with a fixed id and a group of the same name and id."""

    name: str
    uid: int
    home: str

    def probes(self) -> tuple[Probe, ...]:
        """Ask the user database."""
        return (Probe("command", f"user {self.name}", f"getent passwd {shlex.quote(self.name)}"),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Make the user; one with another id is an error that a person must look at."""
        uid = (*seen.outputs.get(f"user {self.name}", "").strip().split(":"), "", "")[2]
        if uid == str(self.uid):
            return ()
        if uid:
            script = f"fail 'user {self.name} exists with uid {uid}, needed is {self.uid}: change one of them'"
            return (Change(f"user {self.name}", "update", f"uid is {uid}", script=script),)
        script = (
            f"groupadd --system --gid {self.uid} {self.name} && useradd --system --uid {self.uid} --gid {self.uid} "
            f"--home-dir {shlex.quote(self.home)} --no-create-home --shell /usr/sbin/nologin {self.name}"
        )
        return (Change(f"user {self.name}", "create", script=script),)


@dataclass(frozen=True)
class Program:
    """A pinned program that Debian does not package; size and time of the file tell whether it is the right one."""

    name: str
    version: str
    size: int
    upload: Upload

    def probes(self) -> tuple[Probe, ...]:
        """Ask for size and time."""
        return (Probe("stat", self.upload.path),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Push it if it is another one."""
        stat = seen.stats.get(self.upload.path)
        if stat and (stat.size, stat.mtime, stat.mode) == (self.size, self.upload.mtime, self.upload.mode):
            return ()
        verb: Literal["install", "update"] = "update" if stat else "install"
        return (Change(f"program {self.name} {self.version}", verb, upload=self.upload),)


@dataclass(frozen=True)
class Unit:
    """A systemd unit: `content` is given for those that are ours; `enabled` None leaves that alone."""

    name: str
    content: str | None = None
    enabled: bool | None = True
    active: bool | None = True

    @property
    def file(self) -> File | None:
        """The unit's file, if it is ours."""
        return File(f"{SYSTEMD}/{self.name}", self.content) if self.content is not None else None

    def probes(self) -> tuple[Probe, ...]:
        """Ask systemd, and for the file."""
        return (Probe("unit", self.name), *(self.file.probes() if self.file else ()))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write, enable, start or stop; a unit whose file changed is started anew."""
        return (
            *self.file_changes(seen),
            *self.enablement(seen),
            *self.activity(seen, restart=bool(self.file_changes(seen))),
        )

    def file_changes(self, seen: Observation) -> tuple[Change, ...]:
        """Changes of the unit's file, with systemd told of them."""
        found = self.file.changes(seen) if self.file else ()
        if found:
            return (
                *found,
                Change(f"unit {self.name}", "reload", script="systemctl daemon-reload", guard=True),
            )
        return ()

    def enablement(self, seen: Observation) -> Iterator[Change]:
        """Whether the unit starts with the host."""
        unit = seen.units.get(self.name)
        if self.enabled and (unit is None or unit.file not in ("enabled", "static", "generated", "alias")):
            name = shlex.quote(self.name)
            yield Change(f"unit {self.name}", "enable", script=f"systemctl enable --quiet {name}")

    def activity(self, seen: Observation, *, restart: bool) -> Iterator[Change]:
        """Whether the unit runs."""
        unit = seen.units.get(self.name)
        runs = unit is not None and unit.active in ("active", "activating", "reloading")
        name = shlex.quote(self.name)
        if self.active and not runs:
            state = unit.active if unit else "absent"
            yield Change(f"unit {self.name}", "start", f"is {state}", script=f"start_unit {name}")
        elif self.active and restart:
            yield Change(f"unit {self.name}", "restart", "its settings changed", script=f"restart_unit {name}")
        elif self.active is False and runs:
            yield Change(f"unit {self.name}", "stop", script=f"systemctl stop {name}")


@dataclass(frozen=True)
class Daemon:
    """A unit with the files it reads: written together, checked, told of, probed, and put back if that fails.

    `files` make the daemon reload or restart; `watched` are files that it notices by itself. `check` says whether the
    files are sound, `probe` whether the daemon answers; both are shell and have a limit of their own.
    """

    unit: Unit
    files: tuple[File | Exclusive, ...] = ()
    watched: tuple[File | Exclusive, ...] = ()
    check: str | None = None
    probe: str | None = None
    on_change: Literal["reload", "restart"] = "reload"

    @property
    def _mark(self) -> str:
        return f"{BEGUN}/{self.unit.name}"

    def probes(self) -> tuple[Probe, ...]:
        """Ask for everything at once."""
        parts: tuple[Resource, ...] = (self.unit, *self.files, *self.watched)
        return (Probe("listing", self._mark), *(probe for part in parts for probe in part.probes()))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Everything that differs, wrapped in check, notice, probe and a way back."""
        told = [change for part in self.files for change in part.changes(seen)]
        noticed = [change for part in self.watched for change in part.changes(seen)]
        unit_file = self.unit.file_changes(seen)
        enablement = tuple(self.unit.enablement(seen))
        activity = tuple(self.unit.activity(seen, restart=bool(unit_file)))
        interrupted = bool(seen.listings.get(self._mark))
        if (told or interrupted) and not activity:
            name = shlex.quote(self.unit.name)
            script = f"systemctl reload {name}" if self.on_change == "reload" else f"restart_unit {name}"
            reason = "its files changed" if told else "an earlier run was interrupted"
            activity = (Change(f"unit {self.unit.name}", self.on_change, reason, script=script),)
        if not (told or noticed or unit_file or enablement or activity):
            return ()
        title = f"unit {self.unit.name}"
        found = [
            Change(title, "update", script=f"begin {shlex.quote(self.unit.name)}", guard=True),
            *told,
            *noticed,
            *unit_file,
            *enablement,
        ]
        if self.check and (told or noticed or interrupted):
            found.append(
                Change(title, "update", "files are sound", script=f"sound {shlex.quote(self.check)}", guard=True)
            )
        found += activity
        if self.probe:
            tell = shlex.quote(f"systemctl {self.on_change} {self.unit.name}")
            script = f"answers {shlex.quote(self.probe)} {tell}"
            found.append(Change(title, "update", "answers", script=script, guard=True))
        return (*found, Change(title, "update", script="commit", guard=True))


def write_script(path: str, content: str, owner: str, mode: str) -> str:
    """Shell that writes a file atomically, with owner and mode set before its content is there."""
    encoded = b64encode(content.encode()).decode()
    return f"put {shlex.quote(path)} {owner} {mode} {encoded or '='}"


def _ownership(owner: str, mode: str, wanted_owner: str, wanted_mode: str) -> str:
    wrong = []
    if owner != wanted_owner:
        wrong.append(f"owner is {owner}, should be {wanted_owner}")
    if mode != wanted_mode:
        wrong.append(f"mode is {mode}, should be {wanted_mode}")
    return "; ".join(wrong)
