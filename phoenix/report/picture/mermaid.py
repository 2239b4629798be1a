"""Flows as a Mermaid flowchart, to be pasted into a document."""

from __future__ import annotations

from collections.abc import Iterator

from phoenix.estate import Estate
from phoenix.report.picture.folding import arrows
from phoenix.report.picture.roles import COLUMNS, End, ends

TITLES = ("outside", "edge", "mesh", "guests", "hypervisor and authority", "beyond")


def as_mermaid(estate: Estate) -> str:
    """A flowchart from left to right; a crowd's arrow stands for one of each of its members."""
    drawn = arrows(estate)
    shown = ends(estate, drawn)
    known = {end.name: f"n{index}" for index, end in enumerate(shown)}
    lines = ["flowchart LR", *_boxes(shown, known)]
    for arrow in drawn:
        line = "-.->" if arrow.kind in ("outward", "diagnosis") else "-->"
        lines.append(f'    {known[arrow.source]} {line}|"{arrow.label}"| {known[arrow.dest]}')
    return "\n".join(lines) + "\n"


def _boxes(shown: tuple[End, ...], known: dict[str, str]) -> Iterator[str]:
    for column, title in enumerate(TITLES):
        own = [end for end in shown if end.column == column]
        if own:
            yield f'    subgraph {COLUMNS[column]}_ ["{title}"]'
            for end in own:
                opening, closing = ("([", "])") if end.role in ("party", "crowd") else ("[", "]")
                text = _escaped(end.title) + (f"<br>{_escaped(end.subtitle)}" if end.subtitle else "")
                yield f'        {known[end.name]}{opening}"{text}"{closing}'
            yield "    end"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
