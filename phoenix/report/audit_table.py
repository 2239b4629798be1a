"""Findings of an audit → a table that fits 120 columns: remarks first, then one line for each path, then the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from phoenix.pki.audit.finding import RANKS, CommonRole, Finding
from phoenix.pki.x509.validity import format_remaining

COLORS = ("red", "yellow", "")
MARKS = ("✗", "!", " ")
WIDTH, PATH_WIDTH, WHAT_WIDTH, READER_WIDTH, KEY_WIDTH, MODE_WIDTH = 120, 39, 33, 13, 8, 14
FOREIGN_ROLES = {CommonRole.SYSTEM, CommonRole.EXTERNAL, CommonRole.UNMANAGED}


def write_table(findings: Sequence[Finding], output: Path | None) -> None:
    """Write the table to a file or to standard output."""
    if output:
        with output.open("w", encoding="utf-8") as file:
            _print(findings, Console(file=file, width=WIDTH))
    else:
        console = Console()
        _print(findings, console if console.is_terminal else Console(width=WIDTH))


def _print(findings: Sequence[Finding], console: Console) -> None:
    for finding in findings:
        if finding.rank < RANKS["note"]:
            console.print(_remarks(finding), soft_wrap=True, highlight=False)
    console.print()
    console.print(_table(findings), highlight=False)
    for finding in findings:
        for flag in finding.flags:
            if flag.kind == "root key":
                text = f"\n{finding.host} {escape(finding.path)}: {flag.text}"
                console.print(text, highlight=False, soft_wrap=True)
    counts = Counter(finding.rank for finding in findings)
    hosts = len({finding.host for finding in findings})
    noun = "host" if hosts == 1 else "hosts"
    text = f"{len(findings)} rows on {hosts} {noun}: [red]{counts[0]} red[/], [yellow]{counts[1]} yellow[/]"
    console.print(f"\n{text}", highlight=False)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("", "where", "what", "read by", "left", "key", "mode, owner"):
        table.add_column(heading, justify="right" if heading == "left" else "left", no_wrap=True)
    for host in dict.fromkeys(finding.host for finding in findings):
        lines = list(_lines([one for one in findings if one.host == host and one.kind != "host"]))
        if lines:
            table.add_row("", f"[bold]{host}[/]")
        for finding, key in lines:
            table.add_row(*map(_styled(_rank(finding, key)), _cells(finding, key)))
    return table


def _remarks(finding: Finding) -> str:
    color = COLORS[finding.rank]
    where = f" {escape(finding.path)}" if finding.path != "-" else ""
    lines = [f"[{color}]{MARKS[finding.rank]}[/] [bold]{finding.host}[/]{where}"]
    for flag in finding.flags:
        style = COLORS[RANKS[flag.severity]] or "dim"
        lines.append(f"    [{style}]{flag.kind}[/]: {escape(flag.text)}")
    return "\n".join(lines)


def _lines(findings: list[Finding]) -> Iterator[tuple[Finding, Finding | None]]:
    """The findings of a host by path; a leaf's key is joined to its certificate."""
    keys = {one.role: one for one in findings if one.kind == "key" and not isinstance(one.role, CommonRole)}
    certificates = {one.role for one in findings if one.kind == "certificate"}
    for finding in sorted(findings, key=lambda one: one.path):
        if finding.kind == "certificate":
            yield finding, keys.get(finding.role)
        elif finding.kind != "key" or isinstance(finding.role, CommonRole) or finding.role not in certificates:
            yield finding, None


def _rank(finding: Finding, key: Finding | None) -> int:
    return min(finding.rank, key.rank if key else finding.rank)


def _styled(rank: int) -> Callable[[str], str]:
    color = COLORS[rank]
    return lambda text: f"[{color}]{escape(text)}[/]" if color else escape(text)


def _cells(finding: Finding, key: Finding | None) -> tuple[str, ...]:
    """The cells of a line, each cut to the width of its column."""
    path, _, part = finding.path.partition("#")
    what = _certificate(finding) if finding.kind == "certificate" else f"{finding.kind} {part}".strip()
    reader = finding.readers[0].rsplit("/", 1)[-1].removeprefix("phoenix-") if finding.readers else "-"
    key_type = finding.key.removeprefix("SSH ")
    return (
        MARKS[_rank(finding, key)],
        _middle(path, PATH_WIDTH),
        _start(what, WHAT_WIDTH),
        _start(reader, READER_WIDTH),
        _remaining(finding.days_left),
        key_type if len(key_type) <= KEY_WIDTH else key_type.split()[0],
        _start(_modes(finding, key), MODE_WIDTH),
    )


def _remaining(days: float | None) -> str:
    if days is None:
        return "-"
    return format_remaining(timedelta(days=days)) if days > 0 else "none"


def _certificate(finding: Finding) -> str:
    """The subject, the number of further names, and the issuer if it is not the estate's CA."""
    name = finding.subject if finding.subject != "-" or not finding.names else finding.names[0]
    more = f" +{len(finding.names) - 1}" if len(finding.names) > 1 else ""
    by = "itself" if finding.issuer == finding.subject else finding.issuer
    issuer = f" by {by}" if finding.role in FOREIGN_ROLES else ""
    return f"{_start(name, WHAT_WIDTH - len(more))}{more}{issuer}"


def _modes(finding: Finding, key: Finding | None) -> str:
    modes = f"{finding.mode} {key.mode}" if key and key.mode != finding.mode else finding.mode
    user, _, group = finding.owner.partition(":")
    return "-" if finding.owner == "-" else f"{modes} {user if user == group else finding.owner}"


def _start(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _middle(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width // 3]}…{text[-(width - width // 3 - 1) :]}"
