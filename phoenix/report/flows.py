"""Flows for people, as a table, and for programs, as JSON, each with the line of the inventory that it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence

from phoenix.derive.flows import Flow
from phoenix.estate.sources import Sources
from phoenix.report.plain import place, place_fields, plain_table

COLUMNS = ("source", "destination", "asks for", "purpose", "because of")


def as_table(flows: Sequence[Flow], sources: Sources) -> str:
    """One line a flow, by destination."""
    rows = [(one.source, one.dest, spell(one), one.purpose, place(one.origin, sources)) for one in flows]
    return plain_table(COLUMNS, rows) + f"\n{len(flows)} flows; everything else is dropped\n"


def as_json(flows: Sequence[Flow], sources: Sources) -> str:
    """One record a flow; without ports it means echo requests."""
    return json.dumps([_record(flow, sources) for flow in flows], indent=1) + "\n"


def spell(flow: Flow) -> str:
    """What a flow asks for: `80,443/tcp`, or icmp, which means echo requests."""
    return f"{','.join(map(str, flow.ports))}/{flow.protocol}" if flow.ports else flow.protocol


def _record(flow: Flow, sources: Sources) -> dict[str, object]:
    return {
        "source": flow.source,
        "destination": flow.dest,
        "protocol": flow.protocol,
        "ports": list(flow.ports),
        "purpose": flow.purpose,
        **place_fields(flow.origin, sources),
    }
