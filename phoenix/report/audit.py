"""Findings of an audit → a table for people, JSON or CSV for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from phoenix.pki.audit.finding import Finding
from phoenix.report.audit_table import write_table

STATUS = ("red", "yellow", "good")
"""The words for the ranks of a finding."""
COLUMNS = (
    "status", "host", "path", "kind", "role", "subject", "names", "issuer", "readers", "ends", "days_left",
    "key", "owner", "mode", "public", "fingerprint", "flags",
)  # fmt: skip


def write_report(findings: Sequence[Finding], form: str, output: Path | None) -> None:
    """Write the findings as `table`, `json` or `csv`, to a file or to standard output."""
    if form == "table":
        write_table(findings, output)
        return
    text = as_json(findings) if form == "json" else as_csv(findings)
    if output:
        output.write_text(text, "utf-8")
    else:
        print(text, end="")


def as_json(findings: Sequence[Finding]) -> str:
    """All fields of each finding."""
    return json.dumps([_record(finding) for finding in findings], indent=1) + "\n"


def as_csv(findings: Sequence[Finding]) -> str:
    """The same fields, one line a finding: lists are joined by spaces, flags by semicolons."""
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for finding in findings:
        record = _record(finding)
        flags = "; ".join(f"{flag['kind']}: {flag['text']}" for flag in record["flags"])
        lists = {name: " ".join(record[name]) for name in ("names", "readers")}
        writer.writerow(record | lists | {"flags": flags})
    return text.getvalue()


def _record(finding: Finding) -> dict[str, Any]:
    return {
        "status": STATUS[finding.rank],
        "host": finding.host,
        "path": finding.path,
        "kind": finding.kind,
        "role": str(finding.role),
        "subject": finding.subject,
        "names": list(finding.names),
        "issuer": finding.issuer,
        "readers": list(finding.readers),
        "ends": f"{finding.ends:%Y-%m-%dT%H:%M:%SZ}" if finding.ends else None,
        "days_left": finding.days_left,
        "key": finding.key,
        "owner": finding.owner,
        "mode": finding.mode,
        "public": finding.public,
        "fingerprint": finding.fingerprint,
        "flags": [{"level": flag.severity, "kind": flag.kind, "text": flag.text} for flag in finding.flags],
    }
