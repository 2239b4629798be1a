"""Durations in the inventory's syntax (`15m`, `24h`, `7d`, `10y`) and in that of Go's programs."""

from __future__ import annotations

import re
from datetime import timedelta

PATTERN = re.compile(r"([1-9][0-9]{0,8})([smhdy])")
UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "y": timedelta(days=365),
}
MAX_DURATION = 100 * UNITS["y"]


def parse_duration(text: object) -> timedelta:
    """Parse a number with its unit: s, m, h, d or y (365 days); ValueError for any other value, or above 100 years."""
    match = PATTERN.fullmatch(text) if isinstance(text, str) else None
    if match is None or int(match[1]) * UNITS[match[2]] > MAX_DURATION:
        raise ValueError("not a duration")
    return int(match[1]) * UNITS[match[2]]


def format_duration(duration: timedelta) -> str:
    """Format a duration in the largest unit that gives a whole number: `7d`, `90m`."""
    for unit in ("y", "d", "h", "m"):
        if duration % UNITS[unit] == timedelta():
            return f"{duration // UNITS[unit]}{unit}"
    return f"{int(duration.total_seconds())}s"


def go_duration(duration: timedelta) -> str:
    """Format a duration for Go's time.ParseDuration, which has no unit for days, in whole seconds."""
    return f"{int(duration.total_seconds())}s"
