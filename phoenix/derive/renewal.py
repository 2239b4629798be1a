"""Leaf → how its renewal is looked after on its own host: how often, and how far apart from others."""

from __future__ import annotations

from datetime import timedelta

from phoenix.derive.certificates import Leaf

TRIES = 8
"""How often at least a renewal is tried before the leaf ends."""
MIN_INTERVAL, MAX_INTERVAL = timedelta(seconds=20), timedelta(hours=1)


def looks_every(leaf: Leaf) -> timedelta:
    """How often the host looks whether the leaf is due, and tries again if the authority did not answer."""
    return min(max(leaf.validity.before / TRIES, MIN_INTERVAL), MAX_INTERVAL)


def jitter(leaf: Leaf) -> timedelta:
    """By how much a look may be late, so that not all hosts ask at the same moment (systemd's RandomizedDelaySec=)."""
    return looks_every(leaf) / 4


def stem(leaf: Leaf) -> str:
    """The name of the leaf in the names of its units and its script."""
    return leaf.name.replace("_", "-")
