"""Arrows of the picture of the flows as wires: where they touch their boxes, and which go around other columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from phoenix.report.picture.folding import Arrow
from phoenix.report.picture.roles import End
from phoenix.report.picture.room import shortened

Side = Literal["left", "right"]
Lane = Literal["", "above", "below", "beside"]
Bus = tuple[str, str, Lane]

PITCH, LEAST, SPACE = 17.0, 40.0, 14.0
"""Distance of slots, height of a small box, space between boxes."""
LABEL = 26
"""Characters of the ports beside an arrow."""
NEIGHBOUR = 1


@dataclass(frozen=True)
class Slot:
    """Where wires touch a box: those that come in with the same label do so together, those that go out, too."""

    end: str
    side: Side
    kind: str
    label: str = ""


@dataclass(frozen=True)
class Wire:
    """One arrow between two slots; one with a lane goes around the columns between them, or beside its own."""

    arrow: Arrow
    start: Slot
    stop: Slot
    lane: Lane = ""

    @property
    def bus(self) -> Bus:
        """The wires of the same bus lie on top of each other until they part: beside a column they come together."""
        return (self.arrow.dest if self.lane == "beside" else self.arrow.source), self.arrow.kind, self.lane


def wires(arrows: Iterable[Arrow], ends: Sequence[End]) -> tuple[tuple[Wire, ...], dict[str, float], float]:
    """Every arrow as a wire, the top of every box below a common line, and the height of the highest column."""
    columns = {end.name: end.column for end in ends}
    plain = [_wire(arrow, columns) for arrow in arrows]
    sizes = heights(ends, plain)
    tops, highest = _tops(ends, sizes)
    centres = {name: top + sizes[name] / 2 for name, top in tops.items()}
    return tuple(_in_lane(one, columns, centres, highest) for one in plain), tops, highest


def heights(ends: Iterable[End], given: Iterable[Wire]) -> dict[str, float]:
    """How high each box must be for its slots."""
    slots = slots_of(given)
    counts = {end.name: [len(slots.get((end.name, side), ())) for side in ("left", "right")] for end in ends}
    return {name: max(LEAST, PITCH * max(both) + 8) for name, both in counts.items()}


def slots_of(given: Iterable[Wire]) -> Mapping[tuple[str, str], Sequence[Slot]]:
    """The slots at each side of each box."""
    found: dict[tuple[str, str], dict[Slot, None]] = {}
    for one in given:
        for slot in (one.start, one.stop):
            found.setdefault((slot.end, slot.side), {})[slot] = None
    return {key: tuple(slots) for key, slots in found.items()}


def _wire(arrow: Arrow, columns: Mapping[str, int]) -> Wire:
    """An arrow leaves towards the column of its other end, and comes in from there; in one column on the right."""
    here, there = columns[arrow.source], columns[arrow.dest]
    out: Side = "left" if there < here else "right"
    into: Side = "left" if there > here else "right"
    return Wire(
        arrow, Slot(arrow.source, out, arrow.kind), Slot(arrow.dest, into, arrow.kind, shortened(arrow.label, LABEL))
    )


def _tops(ends: Sequence[End], sizes: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """Each column in the middle of the highest."""
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


def _in_lane(one: Wire, columns: Mapping[str, int], centres: Mapping[str, float], highest: float) -> Wire:
    """A wire between columns that are no neighbours goes around those between: to the right below, to the left above.

    What begins in the lower half goes to the left below, too.
    """
    here, there = columns[one.arrow.source], columns[one.arrow.dest]
    if here == there:
        return replace(one, lane="beside")
    if abs(here - there) <= NEIGHBOUR:
        return one
    above = there < here and centres[one.arrow.source] <= highest / 2
    return replace(one, lane="above" if above else "below")
