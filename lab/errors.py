"""The lab's errors: every module of the lab raises them, runbooks/lab.py prints them."""

from __future__ import annotations

from phoenix.errors import PhoenixError


class LabError(PhoenixError):
    """A message for the operator: what is wrong, where, and what to do."""
