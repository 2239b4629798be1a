"""An audit's rows for people, as a table that fits 120 columns, and for programs, as JSON and CSV."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from phoenix.pki.audit.finding import RANKS, Row
from phoenix.pki.leaf import left

COLOURS = ("red", "yellow", "")
MARKS = ("✗", "!", " ")
WIDTH, PATH_WIDTH, WHAT_WIDTH, READER_WIDTH, KEY_WIDTH, MODE_WIDTH = 120, 39, 33, 13, 8, 14
FOREIGN_ROLES = {"system", "external", "stranger"}
COMMON_ROLES = FOREIGN_ROLES | {"anchor", "intermediate", "authority", "copy", "-"}
COLUMNS = (
    "status", "host", "path", "kind", "role", "subject", "names", "issuer", "readers", "ends", "days_left",
    "key", "owner", "mode", "public", "fingerprint", "flags",
)  # fmt: skip


def write_report(rows: Sequence[Row], form: str, output: Path | None) -> None:
    """Write the rows as `table`, `json` or `csv`, to a file or to standard output."""
    if form == "table":
        _table(rows, output)
        return
    text = as_json(rows) if form == "json" else as_csv(rows)
    if output:
        output.write_text(text, "utf-8")
    else:
        print(text, end="")


def as_json(rows: Sequence[Row]) -> str:
    """All that is known of each row."""
    return json.dumps([_record(row) for row in rows], indent=1) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """The same with one line a row; what is a list there is separated by spaces, flags by semicolons."""
    made = StringIO()
    writer = csv.DictWriter(made, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        record = _record(row)
        flags = "; ".join(f"{flag['kind']}: {flag['text']}" for flag in record["flags"])
        lists = {name: " ".join(record[name]) for name in ("names", "readers")}
        writer.writerow(record | lists | {"flags": flags})
    return made.getvalue()


def _record(row: Row) -> dict[str, Any]:
    return {
        "status": ("red", "yellow", "good")[row.rank],
        "host": row.host,
        "path": row.path,
        "kind": row.kind,
        "role": row.role,
        "subject": row.subject,
        "names": list(row.names),
        "issuer": row.issuer,
        "readers": list(row.readers),
        "ends": f"{row.ends:%Y-%m-%dT%H:%M:%SZ}" if row.ends else None,
        "days_left": row.days_left,
        "key": row.key,
        "owner": row.owner,
        "mode": row.mode,
        "public": row.public,
        "fingerprint": row.fingerprint,
        "flags": [{"level": flag.level, "kind": flag.kind, "text": flag.text} for flag in row.flags],
    }


def _table(rows: Sequence[Row], output: Path | None) -> None:
    if output:
        with output.open("w", encoding="utf-8") as file:
            _print(rows, Console(file=file, width=WIDTH))
    else:
        console = Console()
        _print(rows, console if console.is_terminal else Console(width=WIDTH))


def _print(rows: Sequence[Row], console: Console) -> None:
    """What a person must see to, then everything by host, then the count."""
    for row in rows:
        if row.rank < len(COLOURS) - 1:
            console.print(_complaint(row), soft_wrap=True, highlight=False)
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("", "where", "what", "read by", "left", "key", "mode, owner"):
        table.add_column(heading, justify="right" if heading == "left" else "left", no_wrap=True)
    for host in dict.fromkeys(row.host for row in rows):
        found = _lines([row for row in rows if row.host == host and row.kind != "host"])
        if found:
            table.add_row("", f"[bold]{host}[/]")
        for row, key in found:
            table.add_row(*map(_styled(min(row.rank, key.rank if key else row.rank)), _cells(row, key)))
    console.print()
    console.print(table, highlight=False)
    for row in rows:
        for flag in row.flags:
            if flag.kind == "root key":
                console.print(f"\n{row.host} {escape(row.path)}: {flag.text}", highlight=False, soft_wrap=True)
    counts = Counter(row.rank for row in rows)
    hosts = len({row.host for row in rows})
    noun = "host" if hosts == 1 else "hosts"
    text = f"{len(rows)} rows on {hosts} {noun}: [red]{counts[0]} red[/], [yellow]{counts[1]} yellow[/]"
    console.print(f"\n{text}", highlight=False)


def _complaint(row: Row) -> str:
    colour = COLOURS[row.rank]
    where = f" {escape(row.path)}" if row.path != "-" else ""
    lines = [f"[{colour}]{MARKS[row.rank]}[/] [bold]{row.host}[/]{where}"]
    for flag in row.flags:
        shown = COLOURS[RANKS[flag.level]] or "dim"
        lines.append(f"    [{shown}]{flag.kind}[/]: {escape(flag.text)}")
    return "\n".join(lines)


def _lines(rows: list[Row]) -> list[tuple[Row, Row | None]]:
    """Rows by path, with the key of a certificate beside it: both are one thing to a reader."""
    keys = {row.role: row for row in rows if row.kind == "key" and row.role not in COMMON_ROLES}
    certificates = {row.role for row in rows if row.kind == "certificate"}
    alone = [row for row in rows if row.kind != "key" or row.role not in certificates or row.role in COMMON_ROLES]
    ordered = sorted(alone, key=lambda row: row.path)
    return [(row, keys.get(row.role) if row.kind == "certificate" else None) for row in ordered]


def _styled(rank: int) -> Callable[[str], str]:
    colour = COLOURS[rank]
    return lambda text: f"[{colour}]{escape(text)}[/]" if colour else escape(text)


def _cells(row: Row, key: Row | None) -> tuple[str, ...]:
    """The cells of a line, each short enough for all of them to fit."""
    path, _, part = row.path.partition("#")
    what = _certificate(row) if row.kind == "certificate" else f"{row.kind} {part}".strip()
    reader = row.readers[0].rsplit("/", 1)[-1].removeprefix("phoenix-") if row.readers else "-"
    kind = row.key.removeprefix("SSH ")
    return (
        MARKS[min(row.rank, key.rank if key else row.rank)],
        _middle(path, PATH_WIDTH),
        _start(what, WHAT_WIDTH),
        _start(reader, READER_WIDTH),
        "-" if row.days_left is None else left(timedelta(days=row.days_left)) if row.days_left > 0 else "none",
        kind if len(kind) <= KEY_WIDTH else kind.split()[0],
        _start(_modes(row, key), MODE_WIDTH),
    )


def _certificate(row: Row) -> str:
    """The subject with how many names there are besides it, and who signed it, if it is none of ours."""
    name = row.subject if row.subject != "-" or not row.names else row.names[0]
    more = f" +{len(row.names) - 1}" if len(row.names) > 1 else ""
    by = "itself" if row.issuer == row.subject else row.issuer
    issuer = f" by {by}" if row.role in FOREIGN_ROLES else ""
    return f"{_start(name, WHAT_WIDTH - len(more))}{more}{issuer}"


def _modes(row: Row, key: Row | None) -> str:
    modes = f"{row.mode} {key.mode}" if key and key.mode != row.mode else row.mode
    user, _, group = row.owner.partition(":")
    return "-" if row.owner == "-" else f"{modes} {user if user == group else row.owner}"


def _start(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _middle(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width // 3]}…{text[-(width - width // 3 - 1) :]}"
