"""Extents in the picture: the width of texts, and the tracks that vertical lines of a gap share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

CHARACTER, NARROW, BOLD = 6.3, 3.3, 8.2
"""Width of a character of a label, of a narrow one, and of one of a box's name, in the widest font of the style."""
NARROW_CHARACTERS = frozenset(" ,./:·")
MAX_NAME = 32
"""The maximum number of characters of a name."""
TRACK_SEPARATION = 17.0
"""The minimum distance of two lines that share a track."""
Interval = tuple[float, float]
B = TypeVar("B")


def shortened(text: str, limit: int = MAX_NAME) -> str:
    """Shorten a text to a number of characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def extent(text: str) -> float:
    """Estimate the width of a label."""
    return round(sum(NARROW if character in NARROW_CHARACTERS else CHARACTER for character in text), 1)


def tracks(spans: Mapping[B, Interval]) -> dict[B, int]:
    """Assign a track to each bus, with as few tracks as possible (the left-edge algorithm for interval graphs)."""
    assigned: dict[B, int] = {}
    ends: list[float] = []
    for bus, (low, high) in sorted(spans.items(), key=lambda item: item[1]):
        free = next((track for track, end in enumerate(ends) if end + TRACK_SEPARATION < low), len(ends))
        ends[free : free + 1] = [high]
        assigned[bus] = free
    return assigned
