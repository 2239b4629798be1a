"""What can go wrong with an artifact."""


class ArtifactError(Exception):
    """An artifact could not be had; the message says which, why, and what to do."""
