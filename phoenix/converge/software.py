"""Installed software: Debian packages, pinned programs, and the users that run them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Literal

from phoenix.converge.change import Change, Upload
from phoenix.converge.foreign import KEPT
from phoenix.converge.observe import Observation, Probe

POLICY_MARK = "made by Phoenix"
"""A line of the policy-rc.d that exists only while packages are installed (prologue.sh, `install_packages`)."""
INTERRUPTED = Probe("command", "interrupted installation", f"grep -lF '{POLICY_MARK}' /usr/sbin/policy-rc.d")

MAX_PINNED_TIME = 1 << 28
"""Pinned programs have times before it, in seconds since the epoch: their times follow from their checksums."""


@dataclass(frozen=True)
class Packages:
    """Debian packages that must be installed; the installation does not start their services."""

    names: tuple[str, ...]

    def probes(self) -> tuple[Probe, ...]:
        """Query dpkg, and the mark of an interrupted installation."""
        return (INTERRUPTED, *(Probe("package", name) for name in self.names))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Install all missing packages at once."""
        reason = ""
        missing = [name for name in self.names if seen.packages.get(name) != "installed"]
        if not missing and seen.outputs.get(INTERRUPTED.subject, "").strip():
            missing, reason = list(self.names), "an installation was interrupted"
        if not missing:
            return ()
        names = " ".join(map(shlex.quote, missing))
        return (Change(f"packages {' '.join(missing)}", "install", reason, script=f"install_packages {names}"),)


@dataclass(frozen=True)
class User:
    """A system user with a fixed id and a group of the same name and id."""

    name: str
    uid: int
    home: str

    def probes(self) -> tuple[Probe, ...]:
        """Query the user database."""
        return (Probe("command", f"user {self.name}", f"getent passwd {shlex.quote(self.name)}"),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Create the user; a user of that name with another id is an error that the operator must resolve."""
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
class PinnedProgram:
    """A program that Debian does not package, in a pinned version, identified by size, mtime, mode and owner."""

    name: str
    version: str
    size: int
    upload: Upload

    def probes(self) -> tuple[Probe, ...]:
        """Query size, mtime, mode and owner."""
        return (Probe("stat", self.upload.path),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Push the program unless the file is the pinned one and owned by root; another owner could replace it."""
        stat = seen.stats.get(self.upload.path)
        desired = (self.size, self.upload.mtime, self.upload.mode, "root:root")
        if stat and (stat.size, stat.mtime, stat.mode, stat.owner) == desired:
            return ()
        verb: Literal["install", "update"] = "update" if stat else "install"
        is_foreign = stat is not None and stat.mtime >= MAX_PINNED_TIME
        upload = replace(self.upload, keeps=is_foreign)
        return (Change(f"program {self.name} {self.version}", verb, KEPT if is_foreign else "", upload=upload),)
