"""How much room things take in the picture of the flows: texts, and lines that share tracks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

CHARACTER, NARROW, BOLD = 6.3, 3.3, 8.2
"""Width of a character of a label, of one that is narrow, and of one of a box's name, in the widest usual font."""
NARROW_ONES = frozenset(" ,./:·")
LONGEST = 32
"""Characters of a name."""
APART = 17.0
"""So far apart are two lines that share a track."""
Interval = tuple[float, float]
B = TypeVar("B")


def shortened(text: str, most: int = LONGEST) -> str:
    """A text that is not longer than a box or a gap can be."""
    return text if len(text) <= most else text[: most - 1] + "…"


def extent(text: str) -> float:
    """How wide a small text is, about."""
    return round(sum(NARROW if character in NARROW_ONES else CHARACTER for character in text), 1)


def tracks(spans: Mapping[B, Interval]) -> dict[B, int]:
    """A track for each bus, as few as there can be: what does not meet shares one (the left-edge algorithm)."""
    found: dict[B, int] = {}
    ends: list[float] = []
    for bus, (low, high) in sorted(spans.items(), key=lambda item: item[1]):
        free = next((track for track, end in enumerate(ends) if end + APART < low), len(ends))
        ends[free : free + 1] = [high]
        found[bus] = free
    return found
