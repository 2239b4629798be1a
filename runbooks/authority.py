"""The authority's state: `python runbooks/authority.py backup | restore | root-offline | root-online FILE [--lab]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.pki.sealed import SealError
from phoenix.run.command import Chain, Options, execute
from phoenix.run.passphrase import read_key, read_passphrase, read_sealed, refuse_existing
from tasks.authority_backup import export_state
from tasks.offline_root import bring_root_online, take_root_offline
from tasks.stages import on_authority, restoration

HELP = """Keep what the authority cannot do without.

Files are sealed with a passphrase (format: age), which is asked for, or read from the file that
PHOENIX_PASSPHRASE_FILE names.
"""
app = typer.Typer(add_completion=False, rich_markup_mode=None, help=HELP, no_args_is_help=True)
File = Annotated[Path, typer.Argument(metavar="FILE", help="The sealed file, on this machine.")]
Lab = Annotated[bool, typer.Option("--lab", help="The authority of the embedded lab.")]
Inventory = Annotated[Path | None, typer.Option(metavar="DIR", help="The inventory.")]


@app.command()
def backup(file: File, *, lab: Lab = False, inventory: Inventory = None) -> None:
    """Write the authority's whole state into a new sealed file; it stands still for the moment of the copy."""
    _run(lambda: on_authority(export_state(*_new(file))), lab=lab, inventory=inventory)


@app.command()
def restore(file: File, *, lab: Lab = False, inventory: Inventory = None) -> None:
    """Bring back a lost state from a backup; the guest is made if it is gone, and a state that is there is kept."""
    _run(lambda: restoration(read_sealed(file)), lab=lab, inventory=inventory)


@app.command()
def root_offline(file: File, *, lab: Lab = False, inventory: Inventory = None) -> None:
    """Take the root's key off the authority into a sealed file, and prove that no copy is left."""
    _run(lambda: on_authority(take_root_offline(file, read_passphrase(twice=True))), lab=lab, inventory=inventory)


@app.command()
def root_online(file: File, *, lab: Lab = False, inventory: Inventory = None) -> None:
    """Put the root's key back."""
    _run(lambda: on_authority(bring_root_online(read_key(file))), lab=lab, inventory=inventory)


def _new(file: Path) -> tuple[Path, str]:
    refuse_existing(file)
    return file, read_passphrase(twice=True)


def _run(chain: Callable[[], Chain], *, lab: bool, inventory: Path | None) -> None:
    try:
        stages = chain()
    except SealError as error:
        typer.echo(f"Nothing was touched: {error}", err=True)
        raise typer.Exit(2) from None
    sys.exit(execute(Options(inventory, ("step_ca",), lab), stages))


if __name__ == "__main__":
    app()
