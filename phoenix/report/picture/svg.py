"""Layout → an SVG picture: columns from the outside through edge and mesh to the guests, arrows with ports."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from phoenix.derive.flows import flows
from phoenix.estate import Estate
from phoenix.estate.key_locations import Sources
from phoenix.report.flows import format_ports
from phoenix.report.picture.extents import shortened
from phoenix.report.picture.folding import KINDS
from phoenix.report.picture.layout import MARGIN, Box, Layout
from phoenix.report.picture.paths import path
from phoenix.report.picture.wires import Slot, Wire

INK = {
    "requests": "#1d6fd1",
    "clients": "#8a3ffc",
    "operation": "#c2570c",
    "certificates": "#1a7f37",
    "node": "#0f7c8c",
    "outward": "#6e7781",
    "diagnosis": "#967a0c",
}
PAPER = {
    "network": "#ffffff",
    "group": "#ffffff",
    "edge": "#e3effd",
    "mesh": "#e3effd",
    "guest": "#f3f4f6",
    "hypervisor": "#fdeee0",
    "CA": "#e2f4e6",
}
STYLE = """
text { font: 10px "DejaVu Sans", Verdana, "Segoe UI", sans-serif; fill: #57606a }
text.title { font-size: 17px; font-weight: bold; fill: #1f2328 }
text.name { font-size: 11.5px; font-weight: bold; fill: #1f2328 }
text.port { stroke: #ffffff; stroke-width: 3px; paint-order: stroke }
rect { stroke: #57606a; stroke-width: 1 }
.network, .group { stroke-dasharray: 4 3 }
path.line { fill: none; stroke-width: 1.4 }
"""


def as_svg(estate: Estate, sources: Sources) -> str:
    """Draw the picture; the tooltip of an arrow lists its flows."""
    layout = Layout(estate)
    kinds = [kind for kind in KINDS if any(one.arrow.kind == kind for one in layout.wires)]
    size = round(layout.width), round(layout.bottom + 46)
    sized = f'width="{size[0]}" height="{size[1]}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" {sized} role="img">',
        f"<title>Flows of {escape(estate.zone)}</title>",
        f"<style>{STYLE}</style>",
        "<defs>", *(_head(kind) for kind in kinds), "</defs>",
        '<rect width="100%" height="100%" style="fill: #ffffff; stroke: none"/>',
        *_heading(estate),
        *(_line(one, layout, sources) for one in layout.wires),
        *(_box(box) for box in layout.boxes.values()),
        *_labels(layout),
        *_legend(kinds, layout.bottom + 24),
        "</svg>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _heading(estate: Estate) -> Iterator[str]:
    hosts = f"{len(estate.live())} hosts, {len(flows(estate))} flows"
    legend = "A number is a destination port, TCP unless marked udp; connections without an arrow are dropped."
    yield f'<text class="title" x="{MARGIN}" y="34">Permitted connections in {escape(estate.zone)}</text>'
    yield f'<text x="{MARGIN}" y="52">{hosts}, all of them derived from the inventory. {legend}</text>'


def _line(one: Wire, layout: Layout, sources: Sources) -> str:
    ink, arrow = INK[one.arrow.kind], one.arrow
    lines = "\n".join(
        f"{format_ports(flow)} {flow.purpose}, {sources.place(flow.origin[0], flow.origin[1:])}" for flow in arrow.flows
    )
    title = escape(f"{arrow.source} → {arrow.dest}\n{lines}")
    drawn = f'<path class="line" stroke="{ink}" marker-end="url(#{arrow.kind})" d="{path(one, layout)}"/>'
    return f"<g><title>{title}</title>{drawn}</g>"


def _box(box: Box) -> str:
    end, middle = box.end, box.x + box.width / 2
    center = box.y + box.height / 2
    corner = box.height / 2 if end.role == "network" else 5
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{min(corner, 20)}"'
    name = f'<text class="name" text-anchor="middle" x="{middle:.1f}" y="{center + (-2 if end.subtitle else 4):.1f}">'
    lines = f"{name}{escape(shortened(end.title))}</text>"
    if end.subtitle:
        below = f'<text text-anchor="middle" x="{middle:.1f}" y="{center + 12:.1f}">'
        lines += f"{below}{escape(shortened(end.subtitle))}</text>"
    return f'<g><rect class="{end.role}" {place} fill="{PAPER[end.role]}"/>{lines}</g>'


def _labels(layout: Layout) -> Iterator[str]:
    slots: dict[Slot, None] = {one.stop: None for one in layout.wires}
    for slot in slots:
        x, y = layout.position(slot)
        anchor, x = ("end", x - 11) if slot.side == "left" else ("start", x + 11)
        ink = f'style="fill: {INK[slot.kind]}"'
        text = escape(slot.label)
        yield f'<text class="port" text-anchor="{anchor}" x="{x:.1f}" y="{y - 3:.1f}" {ink}>{text}</text>'


def _legend(kinds: list[str], y: float) -> Iterator[str]:
    x = MARGIN
    for kind in kinds:
        line = f'<path class="line" stroke="{INK[kind]}" marker-end="url(#{kind})" d="M{x:.1f} {y - 3.5:.1f}h26"/>'
        yield f'{line}<text x="{x + 34:.1f}" y="{y:.1f}">{KINDS[kind]}</text>'
        x += 34 + len(KINDS[kind]) * 6.2 + 22


def _head(kind: str) -> str:
    shape = f'<path d="M0 0L8 4L0 8z" fill="{INK[kind]}"/>'
    size = 'viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"'
    return f'<marker id="{kind}" {size} markerUnits="userSpaceOnUse" orient="auto">{shape}</marker>'
