"""Directories and files with owner and mode, and patterns whose files are all ours."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from phoenix.conventions import SYSTEMD
from phoenix.converge.change import Change, text_diff
from phoenix.converge.observe import Observation, Probe


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
            made = f"mkdir -p -m {self.mode} {path}"
            script = made if self.owner == "root:root" else f"{made} && {settle}"
            return (Change(f"directory {self.path}", "create", script=script),)
        if stat.type != "directory":
            script = f"mv {path} {path}.replaced-by-phoenix && mkdir -p {path} && {settle}"
            return (Change(f"directory {self.path}", "update", f"is a {stat.type}", script=script),)
        wrong = wrong_ownership(stat.owner, stat.mode, self.owner, self.mode)
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
        wrong = wrong_ownership(stat.owner, stat.mode, self.owner, self.mode)
        if not wrong:
            return ()
        path = shlex.quote(self.path)
        script = f"chown {self.owner} {path} && chmod {self.mode} {path}"
        return (Change(f"file {self.path}", "update", wrong, script=script),)


@dataclass(frozen=True)
class ReadOnlyFile:
    """A file that is read and never changed."""

    path: str

    def probes(self) -> tuple[Probe, ...]:
        """Ask for the content."""
        return (Probe("content", self.path),)

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        """Change nothing."""
        return ()


@dataclass(frozen=True)
class ManagedGlob:
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


def write_script(path: str, content: str, owner: str, mode: str) -> str:
    """Shell that writes a file atomically, with owner and mode set before its content is there."""
    return f"put {shlex.quote(path)} {owner} {mode} {shlex.quote(content)}"


def wrong_ownership(owner: str, mode: str, wanted_owner: str, wanted_mode: str) -> str:
    """Say what is wrong with owner and mode; nothing if they are as wanted."""
    wrong = []
    if owner != wanted_owner:
        wrong.append(f"owner is {owner}, should be {wanted_owner}")
    if mode != wanted_mode:
        wrong.append(f"mode is {mode}, should be {wanted_mode}")
    return "; ".join(wrong)
