"""What can go wrong with an artifact."""

from phoenix.errors import PhoenixError


class ArtifactError(PhoenixError):
    """An artifact could not be had; the message says which, why, and what to do."""
