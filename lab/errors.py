"""What the lab says when it cannot do what it was asked."""

from __future__ import annotations


class LabError(Exception):
    """A message for the operator: what is wrong, where, and what to do about it."""
