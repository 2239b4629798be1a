"""Distribute the authority's anchors: `python runbooks/trust.py [--lab] [--target EXPR]... [--dry-run] [--diff]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.run.command import Options, execute
from tasks.trust_stages import trust_distribution

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def trust(
    *,
    lab: Annotated[bool, typer.Option("--lab", help="Distribute in the embedded lab.")] = False,
    inventory: Annotated[Path | None, typer.Option(metavar="DIR", help="The inventory.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="EXPR", help="Name, vmid, group, tag or key=value; again for more."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the differences themselves.")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record of the run.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, max=256, help="Hosts at the same time.")] = None,
) -> None:
    """Bring every store of every host of `trusted_ca` to the anchors that the authority publishes now."""
    options = Options(inventory, tuple(target or ()), lab, dry_run, diff, json, workers)
    sys.exit(execute(options, trust_distribution, programs=False))


if __name__ == "__main__":
    app()
