"""Leaf → the schedule of its renewal on its host: the interval, the jitter, and the name of the units."""

from __future__ import annotations

from datetime import timedelta

from phoenix.derive.certificates import Leaf

MIN_ATTEMPTS = 8
"""Attempts at renewal before the leaf expires, unless MIN_INTERVAL permits fewer."""
MIN_INTERVAL, MAX_INTERVAL = timedelta(seconds=20), timedelta(hours=1)


def check_interval(leaf: Leaf) -> timedelta:
    """The interval at which the host checks whether the leaf is due, and retries if the CA did not answer."""
    return min(max(leaf.validity.before / MIN_ATTEMPTS, MIN_INTERVAL), MAX_INTERVAL)


def jitter(leaf: Leaf) -> timedelta:
    """The maximum delay of a check, so that not all hosts connect at once (systemd's RandomizedDelaySec=)."""
    return check_interval(leaf) / 4


def stem(leaf: Leaf) -> str:
    """The leaf's name as part of the names of its units and its script, with hyphens for underscores."""
    return leaf.name.replace("_", "-")
