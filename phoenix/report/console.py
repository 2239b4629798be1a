"""The console of a run: a line for each task with changes, notes or an error, and the table at the end."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from phoenix.run.record import RunRecord, TaskRecord


class Progress:
    """Print the changes, notes and errors of each task when it ends; with `diff`, also the diffs of its changes."""

    def __init__(self, console: Console, *, diff: bool, dry_run: bool) -> None:
        self._console = console
        self._diff = diff
        self._to_make = " to make" if dry_run else ""
        self._lock = threading.Lock()

    def __call__(self, host: str, record: TaskRecord) -> None:
        """Print the record of one task on a host."""
        if not record.changes and record.error is None and not record.notes:
            return
        with self._lock:
            if record.changes:
                noun = "change" if len(record.changes) == 1 else "changes"
                text = f"{record.stage}: {record.task.replace('_', ' ')}, {len(record.changes)} {noun}{self._to_make}"
                self._print(f"[yellow]•[/] [bold]{host}[/] {text} [dim]{record.seconds:.1f} s[/]")
            for change in record.changes if self._diff else ():
                self._print(f"  [yellow]{escape(str(change))}[/]")
                for line in change.diff.splitlines():
                    self._print(f"    [{_color(line)}]{escape(line)}[/]")
            for note in record.notes:
                self._print(f"[yellow]![/] [bold]{host}[/] {record.stage}: {escape(note)}")
            if record.skipped:
                self._print(f"[dim]- {host} {record.stage}: {escape(str(record.error))}[/]")
            elif record.error:
                self._print_error(host, record.stage, record.error.splitlines())

    def wait(self, host: str, text: str) -> None:
        """Print what a host waits for."""
        with self._lock:
            self._print(f"[dim]… {host} {escape(text)}[/]")

    def _print_error(self, host: str, stage: str, lines: Sequence[str]) -> None:
        """Print an error; one of several lines begins below its host."""
        first, *rest = lines if len(lines) == 1 else ("", *lines)
        self._print(f"[red]✗[/] [bold]{host}[/] {stage}: {escape(first)}".rstrip())
        for line in rest:
            self._print(f"  {escape(line)}")

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)


def summary(console: Console, record: RunRecord, order: Sequence[str], *, dry_run: bool) -> None:
    """Print the table of the changes and the result of each host, in the given order, and the totals."""
    shown = [host for host in order if host in record.hosts]
    width = max(map(len, ("host", *shown)))
    lines = [
        f"[italic]{'What would change' if dry_run else 'What changed'}[/]",
        f"[bold]{'host':{width}}  changes  seconds  result[/]",
    ]
    for host in shown:
        records = record.hosts[host]
        changes, seconds = sum(len(task.changes) for task in records), sum(task.seconds for task in records)
        lines.append(f"{host:{width}}  {changes:7}  {seconds:7.1f}  {_outcome(records, dry_run=dry_run)}")
    to_make = " to make" if dry_run else ""
    lines.append(f"{record.changed} changes{to_make} on {len(record.hosts)} hosts in {record.seconds:.1f} s")
    console.print("\n".join(lines), soft_wrap=True, highlight=False)


def refuse(title: str, details: object = "") -> None:
    """Print an error to standard error: why a run did not start, or did not end."""
    console = Console(stderr=True)
    console.print(f"[bold red]{title}[/]", soft_wrap=True)
    if str(details):
        console.print(str(details), markup=False, highlight=False, soft_wrap=True)


def _outcome(records: Sequence[TaskRecord], *, dry_run: bool) -> str:
    failed = next((record for record in records if record.error), None)
    if failed:
        return "[red]left out[/]" if failed.skipped else f"[red]failed in {failed.stage}[/]"
    if not any(record.changes for record in records):
        return "unchanged"
    return "would change" if dry_run else "changed"


def _color(line: str) -> str:
    return {"+": "green", "-": "red"}.get(line[:1], "dim")
