"""Flows for people, as a table, and for programs, as JSON, each with the line of the inventory that it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table

from phoenix.derive.flows import Flow
from phoenix.estate.sources import Sources

COLUMNS = ("source", "destination", "asks for", "purpose", "because of")


def as_table(flows: Sequence[Flow], sources: Sources) -> str:
    """One line a flow, by destination."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in COLUMNS:
        table.add_column(heading, no_wrap=True)
    for flow in flows:
        place = sources.place(flow.origin[0], flow.origin[1:])
        table.add_row(flow.source, flow.dest, spell(flow), flow.purpose, place)
    return as_text(table) + f"\n{len(flows)} flows; everything else is dropped\n"


def as_json(flows: Sequence[Flow], sources: Sources) -> str:
    """One record a flow; without ports it means echo requests."""
    return json.dumps([_record(flow, sources) for flow in flows], indent=1) + "\n"


def spell(flow: Flow) -> str:
    """What a flow asks for: `80,443/tcp`, or icmp, which means echo requests."""
    return f"{','.join(map(str, flow.ports))}/{flow.protocol}" if flow.ports else flow.protocol


def as_text(table: Table) -> str:
    """A table as plain text, as wide as it must be."""
    console = Console(file=StringIO(), width=1000, color_system=None)
    console.print(table, highlight=False)
    assert isinstance(console.file, StringIO)  # noqa: S101  # it was given three lines above
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def _record(flow: Flow, sources: Sources) -> dict[str, object]:
    file, _, line = sources.place(flow.origin[0], flow.origin[1:]).rpartition(":")
    return {
        "source": flow.source,
        "destination": flow.dest,
        "protocol": flow.protocol,
        "ports": list(flow.ports),
        "purpose": flow.purpose,
        "file": file,
        "line": int(line),
    }
