"""The estate's names for people, as a table, and for programs, as JSON, each with the line that it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.table import Table

from phoenix.derive.answers import Answer, is_outside
from phoenix.derive.names import Record
from phoenix.estate import Estate
from phoenix.estate.sources import Sources
from phoenix.report.flows import as_text


def as_table(records: Sequence[Record], sources: Sources) -> str:
    """One line a name."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("name", "LAN view", "guest view", "source", "why", "because of"):
        table.add_column(heading, no_wrap=True)
    for one in records:
        table.add_row(one.name, str(one.lan), str(one.guest), one.source, one.purpose, _place(one, sources))
    return as_text(table) + f"\n{len(records)} names; every other name of the zones does not exist\n"


def as_json(records: Sequence[Record], sources: Sources) -> str:
    """One record a name."""
    return json.dumps([_record(one, sources) for one in records], indent=1) + "\n"


def why(found: Answer, estate: Estate, sources: Sources) -> str:
    """What each view answers to one question, and why."""
    nothing = "what the other name servers say" if is_outside(estate, found) else "NXDOMAIN: there is no such name"
    lines = [
        found.name,
        f"  LAN view: {found.lan or nothing}",
        f"  guest view: {found.guest or nothing}",
        f"  {found.why}" + (f" ({_place(found.record, sources)})" if found.record else ""),
    ]
    return "\n".join(lines) + "\n"


def _place(record: Record, sources: Sources) -> str:
    return sources.place(record.origin[0], record.origin[1:])


def _record(one: Record, sources: Sources) -> dict[str, object]:
    file, _, line = _place(one, sources).rpartition(":")
    return {
        "name": one.name,
        "lan": str(one.lan),
        "guest": str(one.guest),
        "source": one.source,
        "purpose": one.purpose,
        "file": file,
        "line": int(line),
    }
