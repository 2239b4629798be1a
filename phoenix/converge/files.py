"""Directories and files with owner and mode, and glob patterns that Phoenix manages exclusively."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from phoenix.conventions import REPLACED, SYSTEMD
from phoenix.converge.change import Change, text_diff
from phoenix.converge.foreign import KEPT, MADE, is_foreign, is_named, keeping
from phoenix.converge.observe import Observation, Probe


@dataclass(frozen=True)
class Directory:
    """A directory with its owner (`user:group`) and octal mode."""

    path: str
    owner: str = "root:root"
    mode: str = "0755"

    def probes(self) -> tuple[Probe, ...]:
        """Query the path itself."""
        return (Probe("stat", self.path),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Create the directory, or set its owner and mode."""
        stat = seen.stats.get(self.path)
        path = shlex.quote(self.path)
        set_ownership = f"chown {self.owner} {path} && chmod {self.mode} {path}"
        if stat is None:
            create = f"mkdir -p -m {self.mode} {path}"
            script = create if self.owner == "root:root" else f"{create} && {set_ownership}"
            return (Change(f"directory {self.path}", "create", script=script),)
        if stat.type != "directory":
            script = f"mv {path} {path}.replaced-by-phoenix && mkdir -p {path} && {set_ownership}"
            return (Change(f"directory {self.path}", "update", f"is a {stat.type}", script=script),)
        wrong = wrong_ownership(stat.owner, stat.mode, self.owner, self.mode)
        return (Change(f"directory {self.path}", "update", wrong, script=set_ownership),) if wrong else ()


@dataclass(frozen=True)
class File:
    """A text file with its owner and mode. An existing file without `mark` is not Phoenix's: a copy of it is kept."""

    path: str
    content: str
    owner: str = "root:root"
    mode: str = "0644"
    mark: str = MADE

    def probes(self) -> tuple[Probe, ...]:
        """Query owner, mode and content."""
        return (Probe("stat", self.path), Probe("content", self.path))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Write the file if its content differs; if only owner or mode differ, set them."""
        stat, before = seen.stats.get(self.path), seen.text(self.path)
        write = write_script(self.path, self.content, self.owner, self.mode)
        if stat is None:
            return (Change(f"file {self.path}", "create", diff=text_diff(self.path, None, self.content), script=write),)
        if stat.type == "directory":
            script = f"fail {shlex.quote(f'{self.path} is a directory, and should be a file: move it away')}"
            return (Change(f"file {self.path}", "update", "is a directory", script=script),)
        if not stat.type.startswith("regular"):
            diff = text_diff(self.path, before, self.content)
            return (Change(f"file {self.path}", "update", f"is a {stat.type}", diff, write),)
        if before != self.content:
            diff, reason = text_diff(self.path, before, self.content), "content differs"
            if is_foreign(self.path, before, self.content, self.mark):
                reason, write = KEPT, keeping(self.path, write)
            return (Change(f"file {self.path}", "update", reason, diff, write),)
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
        """Query the content."""
        return (Probe("content", self.path),)

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        """Return no change."""
        return ()


@dataclass(frozen=True)
class ManagedGlob:
    """A glob pattern that Phoenix manages exclusively: unmanaged files are removed, and units are stopped first.

    Where the pattern does not have Phoenix's name, a copy of each file that Phoenix did not write is kept.
    """

    pattern: str
    keep: tuple[str, ...]

    def probes(self) -> tuple[Probe, ...]:
        """List the files that match."""
        return (Probe("listing", self.pattern),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Remove every file that the inventory does not declare."""
        unmanaged = [path for path in seen.listings.get(self.pattern, ()) if path not in self.keep]
        kept = "" if is_named(self.pattern) else f"; a copy is kept in {REPLACED} if Phoenix did not write it"
        reason = f"the inventory does not declare it{kept}"
        return tuple(Change(f"file {path}", "remove", reason, script=self._removal(path)) for path in unmanaged)

    def _removal(self, path: str) -> str:
        quoted = shlex.quote(path)
        if not is_named(path):
            return f"discard {quoted}"
        if not path.startswith(SYSTEMD):
            return f"save {quoted} && rm -rf {quoted}"
        unit = shlex.quote(path.rsplit("/", 1)[1])
        return f"systemctl disable --now {unit} && rm -f {quoted} && systemctl daemon-reload"


def write_script(path: str, content: str, owner: str, mode: str) -> str:
    """Write the shell command that replaces a file atomically; owner and mode are set before the content is written."""
    return f"put {shlex.quote(path)} {owner} {mode} {shlex.quote(content)}"


def wrong_ownership(owner: str, mode: str, wanted_owner: str, wanted_mode: str) -> str:
    """Describe the differences of owner and mode; an empty string if there are none."""
    wrong = []
    if owner != wanted_owner:
        wrong.append(f"owner is {owner}, should be {wanted_owner}")
    if mode != wanted_mode:
        wrong.append(f"mode is {mode}, should be {wanted_mode}")
    return "; ".join(wrong)
