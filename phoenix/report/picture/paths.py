"""A wire and the layout → its path on the canvas, as SVG path data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from phoenix.report.picture.layout import Layout
from phoenix.report.picture.wires import Slot, Wire

CORNER = 6.0
Point = tuple[float, float]


def path(one: Wire, layout: Layout) -> str:
    """Draw a wire straight beside the labels of both boxes and curved in the gap between them, or around in a lane."""
    start, stop = layout.position(one.start), layout.position(one.stop)
    if one.lane:
        out, into, lane = layout.track(one, one.start), layout.track(one, one.stop), layout.lane(one)
        return _rounded((start, (out, start[1]), (out, lane), (into, lane), (into, stop[1]), stop))
    out, into = _mouth(one.start, layout), _mouth(one.stop, layout)
    bend = (out + into) / 2
    curve = f"C{bend:.1f} {start[1]:.1f} {bend:.1f} {stop[1]:.1f} {into:.1f} {stop[1]:.1f}"
    return f"M{start[0]:.1f} {start[1]:.1f}H{out:.1f}{curve}H{stop[0]:.1f}"


def _mouth(slot: Slot, layout: Layout) -> float:
    """The x coordinate at which the labels of a slot end and the middle of its gap starts."""
    gap = layout.gaps[layout.gap(slot)]
    return gap.low if slot.side == "right" else gap.high


def _rounded(points: Sequence[Point]) -> str:
    points = [point for point, before in zip(points, (None, *points), strict=False) if point != before]
    return f"M{points[0][0]:.1f} {points[0][1]:.1f}" + "".join(_corners(points))


def _corners(points: Sequence[Point]) -> Iterator[str]:
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        (x1, y1), (x2, y2) = _towards(corner, before), _towards(corner, after)
        yield f"L{x1:.1f} {y1:.1f}Q{corner[0]:.1f} {corner[1]:.1f} {x2:.1f} {y2:.1f}"
    yield f"L{points[-1][0]:.1f} {points[-1][1]:.1f}"


def _towards(corner: Point, other: Point) -> Point:
    """The point near a corner in the direction of another point."""
    length = abs(other[0] - corner[0]) + abs(other[1] - corner[1])
    part = min(CORNER, length / 2) / length if length else 0.0
    return corner[0] + (other[0] - corner[0]) * part, corner[1] + (other[1] - corner[1]) * part
