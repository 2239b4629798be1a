"""Arrows → wires: the slots at which they meet their boxes, and the lanes in which they pass other columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from phoenix.report.picture.extents import shortened
from phoenix.report.picture.folding import Arrow
from phoenix.report.picture.roles import End

Side = Literal["left", "right"]
Lane = Literal["", "above", "below", "beside"]
Bus = tuple[str, str, Lane]

PITCH, MIN_HEIGHT, SPACE = 17.0, 40.0, 14.0
"""Distance of slots, minimum height of a box, space between boxes."""
MAX_LABEL = 26
"""The maximum number of characters of the ports beside an arrow."""
ADJACENT = 1


@dataclass(frozen=True)
class Slot:
    """The point at which wires meet a box; incoming wires with the same label share it, and so do outgoing ones."""

    end: str
    side: Side
    kind: str
    label: str = ""


@dataclass(frozen=True)
class Wire:
    """One arrow between two slots; with a lane, it passes the columns between them, or runs beside its own."""

    arrow: Arrow
    start: Slot
    stop: Slot
    lane: Lane = ""

    @property
    def bus(self) -> Bus:
        """The bus of the wire. Wires of a bus overlap until they branch; beside a column they join at their end."""
        return (self.arrow.dest if self.lane == "beside" else self.arrow.source), self.arrow.kind, self.lane


def wires(arrows: Iterable[Arrow], ends: Sequence[End]) -> tuple[tuple[Wire, ...], dict[str, float], float]:
    """Convert every arrow to a wire; return the wires, the top of every box, and the height of the highest column."""
    columns = {end.name: end.column for end in ends}
    plain = [_wire(arrow, columns) for arrow in arrows]
    sizes = heights(ends, plain)
    tops, highest = _tops(ends, sizes)
    centers = {name: top + sizes[name] / 2 for name, top in tops.items()}
    return tuple(_in_lane(one, columns, centers, highest) for one in plain), tops, highest


def heights(ends: Iterable[End], every: Iterable[Wire]) -> dict[str, float]:
    """The height of each box, by the number of its slots."""
    slots = slots_of(every)
    counts = {end.name: [len(slots.get((end.name, side), ())) for side in ("left", "right")] for end in ends}
    return {name: max(MIN_HEIGHT, PITCH * max(both) + 8) for name, both in counts.items()}


def slots_of(every: Iterable[Wire]) -> Mapping[tuple[str, str], Sequence[Slot]]:
    """Group the slots by box and side."""
    by_side: dict[tuple[str, str], dict[Slot, None]] = {}
    for one in every:
        for slot in (one.start, one.stop):
            by_side.setdefault((slot.end, slot.side), {})[slot] = None
    return {key: tuple(slots) for key, slots in by_side.items()}


def _wire(arrow: Arrow, columns: Mapping[str, int]) -> Wire:
    """Connect the sides of both boxes that face each other; within one column, connect the right sides."""
    here, there = columns[arrow.source], columns[arrow.dest]
    out: Side = "left" if there < here else "right"
    into: Side = "left" if there > here else "right"
    return Wire(
        arrow,
        Slot(arrow.source, out, arrow.kind),
        Slot(arrow.dest, into, arrow.kind, shortened(arrow.label, MAX_LABEL)),
    )


def _tops(ends: Sequence[End], sizes: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """Center each column on the highest; return the top of every box and the height of the highest column."""
    columns: dict[int, list[str]] = {}
    for end in ends:
        columns.setdefault(end.column, []).append(end.name)
    totals = {column: sum(sizes[name] + SPACE for name in names) - SPACE for column, names in columns.items()}
    highest = max(totals.values())
    tops: dict[str, float] = {}
    for column, names in columns.items():
        top = (highest - totals[column]) / 2
        for name in names:
            tops[name] = top
            top += sizes[name] + SPACE
    return tops, highest


def _in_lane(one: Wire, columns: Mapping[str, int], centers: Mapping[str, float], highest: float) -> Wire:
    """Route a wire around the columns between its ends: below if it goes to the right, above if it goes to the left.

    A wire to the left that starts in the lower half also goes below.
    """
    here, there = columns[one.arrow.source], columns[one.arrow.dest]
    if here == there:
        return replace(one, lane="beside")
    if abs(here - there) <= ADJACENT:
        return one
    above = there < here and centers[one.arrow.source] <= highest / 2
    return replace(one, lane="above" if above else "below")
