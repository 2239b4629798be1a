"""Shared parts of reports: plain-text tables, and the line of the inventory that declares an entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table

from phoenix.estate.key_locations import Sources

Origin = tuple[str, ...]
"""The declaring entry of the inventory: a host, or an empty string for the whole estate, and the keys below it."""


def plain_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table as plain text, as wide as its content requires."""
    table = Table(*headings, box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in table.columns:
        column.no_wrap = True
    for row in rows:
        table.add_row(*row)
    text = StringIO()
    Console(file=text, width=1000, color_system=None).print(table, highlight=False)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def place(origin: Origin, sources: Sources) -> str:
    """Locate an entry: `FILE:LINE`."""
    return sources.place(origin[0], origin[1:])


def place_fields(origin: Origin, sources: Sources) -> dict[str, str | int]:
    """Locate an entry, as fields of a JSON object."""
    file, _, line = place(origin, sources).rpartition(":")
    return {"file": file, "line": int(line)}
