"""What the lab says when it cannot do what it was asked."""

from __future__ import annotations

from phoenix.errors import PhoenixError


class LabError(PhoenixError):
    """A message for the operator: what is wrong, where, and what to do about it."""
