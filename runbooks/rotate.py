"""Rotate keys of the authority: `python runbooks/rotate.py [--lab] --root | --intermediate | --provisioner`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.pki.sealed import SealError
from phoenix.run.command import Options, execute
from phoenix.run.passphrase import read_key
from tasks.stages import announcement, provisioner_change, rotation, way_back

NAMES = ("root", "intermediate", "provisioner")
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def rotate(
    *,
    root: Annotated[bool, typer.Option("--root", help="A new root, and an intermediate of it.")] = False,
    intermediate: Annotated[bool, typer.Option("--intermediate", help="A new intermediate of the same root.")] = False,
    provisioner: Annotated[bool, typer.Option("--provisioner", help="A new key for one-time tokens.")] = False,
    back: Annotated[bool, typer.Option("--back", help="Take back a rotation that has begun.")] = False,
    announce: Annotated[
        bool, typer.Option("--announce", help="Stop when all hosts trust what comes: others can be given it, too.")
    ] = False,
    root_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The root's key, if it was taken offline.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, rotate.")] = False,
    lab: Annotated[bool, typer.Option("--lab", help="Rotate in the embedded lab.")] = False,
    inventory: Annotated[Path | None, typer.Option(metavar="DIR", help="The inventory.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record of the run.")] = None,
) -> None:
    """Replace a key of the authority without a gap: trust first, then use, and the old one goes when nothing needs it.

    Stopped or killed at any point, the same command goes on from there.
    """
    chosen = [name for name, said in zip(NAMES, (root, intermediate, provisioner), strict=True) if said]
    if len(chosen) != 1 or (provisioner and (back or announce or root_key)) or (back and announce):
        raise typer.BadParameter(
            "say one of --root, --intermediate and --provisioner, and at most one of --announce and --back"
        )
    if not (yes or typer.confirm(_question(chosen[0], back=back))):
        raise typer.Exit(2)
    options = Options(inventory, lab=lab, json=json)
    if back or provisioner:
        sys.exit(execute(options, way_back if back else provisioner_change))
    try:
        key = read_key(root_key) if root_key else None
    except SealError as error:
        typer.echo(f"Nothing was touched: {error}", err=True)
        raise typer.Exit(2) from None
    chain = announcement if announce else rotation
    sys.exit(execute(options, chain("root" if root else "intermediate", key)))


def _question(what: str, *, back: bool) -> str:
    if back:
        return f"Take back the rotation of the {what}, and issue again what it has issued?"
    return f"Replace the authority's {what}, and issue every certificate anew that it signed?"


if __name__ == "__main__":
    app()
