"""The error of artifacts."""

from phoenix.errors import PhoenixError


class ArtifactError(PhoenixError):
    """An artifact could not be obtained; the message contains which, why, and what to do."""
