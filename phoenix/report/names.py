"""The estate's names for people, as a table, and for programs, as JSON, each with the line that it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence

from phoenix.derive.answers import Answer, is_outside
from phoenix.derive.names import Record
from phoenix.estate import Estate
from phoenix.estate.sources import Sources
from phoenix.report.plain import place, place_fields, plain_table

COLUMNS = ("name", "LAN view", "guest view", "source", "why", "because of")


def as_table(records: Sequence[Record], sources: Sources) -> str:
    """One line a name."""
    rows = [
        (one.name, str(one.lan), str(one.guest), one.source, one.purpose, place(one.origin, sources)) for one in records
    ]
    return plain_table(COLUMNS, rows) + f"\n{len(records)} names; every other name of the zones does not exist\n"


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
        f"  {found.why}" + (f" ({place(found.record.origin, sources)})" if found.record else ""),
    ]
    return "\n".join(lines) + "\n"


def _record(one: Record, sources: Sources) -> dict[str, object]:
    return {
        "name": one.name,
        "lan": str(one.lan),
        "guest": str(one.guest),
        "source": one.source,
        "purpose": one.purpose,
        **place_fields(one.origin, sources),
    }
