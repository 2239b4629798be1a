"""Format the estate's names as a table and as JSON, each with its line in the inventory."""

from __future__ import annotations

import json
from collections.abc import Sequence

from phoenix.derive.dns_answers import NameAnswer, is_outside
from phoenix.derive.names import DnsRecord
from phoenix.estate import Estate
from phoenix.estate.key_locations import Sources
from phoenix.report.plain import place, place_fields, plain_table

COLUMNS = ("name", "LAN view", "guest view", "source", "why", "because of")


def as_table(records: Sequence[DnsRecord], sources: Sources) -> str:
    """Format one line per name."""
    rows = [
        (one.name, str(one.lan), str(one.guest), one.source, one.purpose, place(one.origin, sources)) for one in records
    ]
    return plain_table(COLUMNS, rows) + f"\n{len(records)} names; every other name of the zones does not exist\n"


def as_json(records: Sequence[DnsRecord], sources: Sources) -> str:
    """Format one JSON object per name."""
    return json.dumps([_record(one, sources) for one in records], indent=1) + "\n"


def why(answer: NameAnswer, estate: Estate, sources: Sources) -> str:
    """Format the answer of each view to one query, and the reason."""
    missing = "as the upstream servers answer" if is_outside(estate, answer) else "NXDOMAIN: the name does not exist"
    lines = [
        answer.name,
        f"  LAN view: {answer.lan or missing}",
        f"  guest view: {answer.guest or missing}",
        f"  {answer.why}" + (f" ({place(answer.record.origin, sources)})" if answer.record else ""),
    ]
    return "\n".join(lines) + "\n"


def _record(one: DnsRecord, sources: Sources) -> dict[str, object]:
    return {
        "name": one.name,
        "lan": str(one.lan),
        "guest": str(one.guest),
        "source": one.source,
        "purpose": one.purpose,
        **place_fields(one.origin, sources),
    }
