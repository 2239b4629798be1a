"""Durations as people write them (`15m`, `24h`, `7d`, `10y`) and as Go's programs read them."""

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
LONGEST = 100 * UNITS["y"]


def parse_duration(text: object) -> timedelta:
    """Read a number with its unit: s, m, h, d or y (365 days); ValueError for anything else."""
    found = PATTERN.fullmatch(text) if isinstance(text, str) else None
    if found is None or int(found[1]) * UNITS[found[2]] > LONGEST:
        raise ValueError("not a duration")
    return int(found[1]) * UNITS[found[2]]


def spell_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that gives a whole number: `7d`, `90m`."""
    for unit in ("y", "d", "h", "m"):
        if duration % UNITS[unit] == timedelta():
            return f"{duration // UNITS[unit]}{unit}"
    return f"{int(duration.total_seconds())}s"


def go_duration(duration: timedelta) -> str:
    """Write a duration for Go's time.ParseDuration, which knows no days, in whole seconds."""
    return f"{int(duration.total_seconds())}s"
