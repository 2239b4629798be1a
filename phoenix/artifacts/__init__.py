"""Pinned programs that Debian does not package, obtained once by the controller and pushed to guests."""

from phoenix.artifacts.errors import ArtifactError
from phoenix.artifacts.store import Artifact

__all__ = ["Artifact", "ArtifactError"]
