"""Format flows as a table and as JSON, each with the line of the inventory that it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence

from phoenix.derive.flows import Flow
from phoenix.estate.key_locations import Sources
from phoenix.report.plain import place, place_fields, plain_table

COLUMNS = ("source", "destination", "asks for", "purpose", "because of")


def as_table(flows: Sequence[Flow], sources: Sources) -> str:
    """Format one line per flow, by destination."""
    rows = [(one.source, one.dest, format_ports(one), one.purpose, place(one.origin, sources)) for one in flows]
    return plain_table(COLUMNS, rows) + f"\n{len(flows)} flows; everything else is dropped\n"


def as_json(flows: Sequence[Flow], sources: Sources) -> str:
    """Format one record per flow; a flow without ports is for echo requests."""
    return json.dumps([_record(flow, sources) for flow in flows], indent=1) + "\n"


def format_ports(flow: Flow) -> str:
    """The ports and the protocol of a flow: `80,443/tcp`, or `icmp`, which means echo requests."""
    spans = ",".join(str(low) if low == high else f"{low}-{high}" for low, high in flow.spans)
    return f"{spans}/{flow.protocol}" if spans else flow.protocol


def _record(flow: Flow, sources: Sources) -> dict[str, object]:
    return {
        "source": flow.source,
        "destination": flow.dest,
        "protocol": flow.protocol,
        "ports": [*flow.ports, *(f"{low}-{high}" for low, high in flow.ranges)],
        "purpose": flow.purpose,
        **place_fields(flow.origin, sources),
    }
