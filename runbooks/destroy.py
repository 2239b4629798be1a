"""Destroy guests, never their persistent data: `python runbooks/destroy.py [--lab] --target EXPR --yes`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.run.command import Options, execute
from tasks.stages import destruction

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def destroy(
    *,
    target: Annotated[
        list[str], typer.Option(metavar="EXPR", help="Name, vmid, group, tag or key=value; again for more.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Yes, destroy them.")] = False,
    lab: Annotated[bool, typer.Option("--lab", help="Destroy in the embedded lab.")] = False,
    inventory: Annotated[Path | None, typer.Option(metavar="DIR", help="The inventory.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be destroyed.")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record of the run.")] = None,
) -> None:
    """Stop and remove the targeted guests and templates; directories that outlive them stay where they are."""
    if not (yes or dry_run):
        typer.echo(
            "This destroys guests. Nothing was touched; say --yes if that is meant, or --dry-run to see.", err=True
        )
        raise typer.Exit(2)
    sys.exit(execute(Options(inventory, tuple(target), lab, dry_run, json=json), destruction))


if __name__ == "__main__":
    app()
