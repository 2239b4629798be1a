"""Arrows → a Mermaid flowchart for documents."""

from __future__ import annotations

from collections.abc import Iterator

from phoenix.estate import Estate
from phoenix.report.picture.folding import arrows
from phoenix.report.picture.roles import COLUMNS, End, ends

TITLES = ("outside", "edge", "mesh", "guests", "hypervisor and CA", "beyond")


def as_mermaid(estate: Estate) -> str:
    """Draw a flowchart from left to right; the arrow of a group stands for one arrow of each member."""
    drawn = arrows(estate)
    boxes = ends(estate, drawn)
    ids = {end.name: f"n{index}" for index, end in enumerate(boxes)}
    lines = ["flowchart LR", *_boxes(boxes, ids)]
    for arrow in drawn:
        line = "-.->" if arrow.kind in ("outward", "diagnosis") else "-->"
        lines.append(f'    {ids[arrow.source]} {line}|"{arrow.label}"| {ids[arrow.dest]}')
    return "\n".join(lines) + "\n"


def _boxes(boxes: tuple[End, ...], ids: dict[str, str]) -> Iterator[str]:
    for column, title in enumerate(TITLES):
        own = [end for end in boxes if end.column == column]
        if own:
            yield f'    subgraph {COLUMNS[column]}_ ["{title}"]'
            for end in own:
                opening, closing = ("([", "])") if end.role in ("network", "group") else ("[", "]")
                text = _escaped(end.title) + (f"<br>{_escaped(end.subtitle)}" if end.subtitle else "")
                yield f'        {ids[end.name]}{opening}"{text}"{closing}'
            yield "    end"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
