"""Wait for a condition that something else brings about."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


def until(met: Callable[[], object], limit: float = 10) -> None:
    """Poll until a condition is true; fail the test after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not met():
        if time.monotonic() > deadline:
            pytest.fail("did not become true in time")
        time.sleep(0.02)
