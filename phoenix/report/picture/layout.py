"""The layout of the picture: boxes in columns, wires in the gaps between the columns and in lanes around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from phoenix.estate import Estate
from phoenix.report.picture.extents import BOLD, Interval, extent, shortened, tracks
from phoenix.report.picture.folding import arrows
from phoenix.report.picture.roles import End, ends
from phoenix.report.picture.wires import PITCH, Bus, Slot, Wire, heights, slots_of, wires

MIDDLE, TRACK, LANE, MARGIN, HEADER = 48.0, 8.0, 12.0, 24.0, 72.0


@dataclass(frozen=True)
class Box:
    """The box of one end on the canvas; all lengths of the picture are in SVG units."""

    end: End
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Gap:
    """The middle of the gap right of a column, where wires bend, between the labels of both columns' boxes."""

    low: float
    high: float


class Layout:
    """Positions of an estate's boxes, slots, gaps, lanes and tracks."""

    def __init__(self, estate: Estate) -> None:
        self.ends = ends(estate, drawn := arrows(estate))
        self.wires, self._tops, highest = wires(drawn, self.ends)
        self._columns = {end.name: end.column for end in self.ends}
        self._sizes = heights(self.ends, self.wires)
        self._slots = slots_of(self.wires)
        self._lanes = {side: _unique(one.bus for one in self.wires if one.lane == side) for side in ("above", "below")}
        self._top = HEADER + LANE * len(self._lanes["above"]) + 12
        self._floor = self._top + highest
        self.bottom = self._floor + LANE * len(self._lanes["below"]) + 20
        self._heights = {slot: y for side in self._slots.values() for slot, y in self._placed(side)}
        self._tracks = {gap: tracks(spans) for gap, spans in self._spans().items()}
        self.gaps: dict[int, Gap] = {}
        self.boxes = {box.end.name: box for box in self._boxes()}

    def position(self, slot: Slot) -> tuple[float, float]:
        """The coordinates of a slot."""
        box = self.boxes[slot.end]
        return (box.x if slot.side == "left" else box.x + box.width), self._heights[slot]

    def gap(self, slot: Slot) -> int:
        """The number of the gap beside a slot; the gap right of a column has the column's number."""
        return self._columns[slot.end] - (slot.side == "left")

    def lane(self, one: Wire) -> float:
        """The y coordinate of a wire's lane; a wire beside a column has that of its end."""
        if one.lane == "beside":
            return self._heights[one.stop]
        distance = 14 + LANE * self._lanes[one.lane].index(one.bus)
        return self._top - distance if one.lane == "above" else self._floor + distance

    def track(self, one: Wire, slot: Slot) -> float:
        """The x coordinate at which a wire goes up or down in the gap of a slot."""
        gap = self.gap(slot)
        return self.gaps[gap].low + TRACK * (self._tracks[gap][one.bus] + 1)

    @property
    def width(self) -> float:
        """The width of the canvas."""
        return max(box.x + box.width for box in self.boxes.values()) + MARGIN

    def _spans(self) -> dict[int, dict[Bus, Interval]]:
        """The vertical interval of each bus in each gap."""
        by_gap: dict[int, dict[Bus, Interval]] = {}
        for one in self.wires:
            for slot in (one.start, one.stop) if one.lane else ():
                own, ends = by_gap.setdefault(self.gap(slot), {}), (self._heights[slot], self.lane(one))
                low, high = own.get(one.bus, ends)
                own[one.bus] = min(low, *ends), max(high, *ends)
        return by_gap

    def _boxes(self) -> Iterator[Box]:
        x = MARGIN
        for column in sorted({end.column for end in self.ends}):
            own = [end for end in self.ends if end.column == column]
            width = max(map(_width, own))
            x += self._labels(own, "left")
            for end in own:
                yield Box(end, x, self._top + self._tops[end.name], width, self._sizes[end.name])
            low = x + width + self._labels(own, "right")
            x = low + MIDDLE + TRACK * max(self._tracks.get(column, {"": 0}).values())
            self.gaps[column] = Gap(low, x)

    def _labels(self, own: Sequence[End], side: str) -> float:
        widest = max(extent(slot.label) for end in own for slot in (*self._slots.get((end.name, side), ()), NO_SLOT))
        return widest + 18 if widest else 8.0

    def _placed(self, side: Sequence[Slot]) -> Iterator[tuple[Slot, float]]:
        """Yield the slots at one side of a box with their y coordinates, in the order of their other ends."""
        middle = self._middle(side[0].end)
        for index, slot in enumerate(sorted(side, key=self._mean_of_others)):
            yield slot, middle + (index - (len(side) - 1) / 2) * PITCH

    def _mean_of_others(self, slot: Slot) -> float:
        others = [self._other(one, slot) for one in self.wires if slot in (one.start, one.stop)]
        return sum(others) / len(others)

    def _other(self, one: Wire, slot: Slot) -> float:
        if one.lane in self._lanes:
            return -1.0 if one.lane == "above" else self._floor
        return self._middle(one.stop.end if slot == one.start else one.start.end)

    def _middle(self, name: str) -> float:
        return self._top + self._tops[name] + self._sizes[name] / 2


NO_SLOT = Slot("", "left", "")


def _width(end: End) -> float:
    return max(len(shortened(end.title)) * BOLD, extent(shortened(end.subtitle))) + 24


def _unique(buses: Iterable[Bus]) -> tuple[Bus, ...]:
    return tuple(dict.fromkeys(buses))
