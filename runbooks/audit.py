"""List every certificate and private key: `python runbooks/audit.py [--lab] [--target EXPR]... [--format FORMAT]`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.estate import Estate
from phoenix.pki.audit import audit as compare
from phoenix.pki.decision import utc_now
from phoenix.report.audit import write_report
from phoenix.run.command import GOOD, HOST_FAILED, Options, execute
from phoenix.run.record import RunRecord
from tasks.audit import PLACES, Audit
from tasks.stages import inspection

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Format(StrEnum):
    """How the rows are written."""

    table = "table"
    json = "json"
    csv = "csv"


@app.command()
def audit(
    *,
    lab: Annotated[bool, typer.Option("--lab", help="Look at the embedded lab.")] = False,
    inventory: Annotated[Path | None, typer.Option(metavar="DIR", help="The inventory.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="EXPR", help="Name, vmid, group, tag or key=value; again for more."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How the rows are written.")] = Format.table,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write them there instead.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, max=256, help="Hosts at the same time.")] = None,
) -> None:
    """List every certificate and private key on every host, managed or not; red ones give status 1."""
    looked = Audit()

    def report(estate: Estate, targets: frozenset[str], record: RunRecord) -> int:
        wanted = targets & {host.name for host in estate.live()}
        rows = compare(estate, PLACES, looked.seen(wanted, record.errors()), utc_now())
        write_report(rows, form.value, output)
        return HOST_FAILED if any(row.is_red for row in rows) else GOOD

    options = Options(inventory, tuple(target or ()), lab, dry_run=True, workers=workers)
    sys.exit(execute(options, lambda _estate: inspection(looked), report=report))


if __name__ == "__main__":
    app()
