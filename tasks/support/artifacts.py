"""Pinned programs as resources: from the controller's cache to /usr/local/bin of a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix.converge import Change, Observation, PinnedProgram, Probe, Resource, Upload

if TYPE_CHECKING:
    from phoenix.artifacts.store import Artifact


@dataclass(frozen=True)
class MissingArtifact:
    """A program that a dry run cannot compare, because the controller has not obtained it yet."""

    name: str

    def probes(self) -> tuple[Probe, ...]:
        """Ask no question."""
        return ()

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        """Announce that the program would be obtained and pushed; its script fails, because it has no file to push."""
        script = "echo 'the controller has not obtained it: run phoenix artifacts' >&2; exit 1"
        return (Change(f"program {self.name}", "install", "not obtained yet", script=script),)


def pinned_program(name: str, artifacts: Mapping[str, Artifact]) -> Resource:
    """A pinned program; the file's time is derived from the program's checksum, so that it identifies the content."""
    artifact = artifacts.get(name)
    if artifact is None:
        return MissingArtifact(name)
    mtime = int(artifact.sha256[:7], 16)
    upload = Upload(artifact.packed, f"/usr/local/bin/{artifact.name}", "0755", mtime)
    return PinnedProgram(artifact.name, artifact.version, artifact.size, upload)
