"""Revoke a certificate and replace it: `python runbooks/revoke.py [--lab] LEAF [--host HOST] [--yes]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.estate import Estate
from phoenix.run import Stage
from phoenix.run.command import Options, execute
from phoenix.run.runner import TaskFailedError
from tasks.revocation import choose
from tasks.stages import revocation

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def revoke(
    leaf: Annotated[str, typer.Argument(metavar="LEAF", help="A leaf's name, or a name that the mesh serves.")],
    *,
    host: Annotated[str | None, typer.Option(metavar="HOST", help="Its host, where several have such a leaf.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, revoke it.")] = False,
    lab: Annotated[bool, typer.Option("--lab", help="Revoke in the embedded lab.")] = False,
    inventory: Annotated[Path | None, typer.Option(metavar="DIR", help="The inventory.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record of the run.")] = None,
) -> None:
    """Let the authority renew a certificate no more, and replace it and its key.

    Whoever has the old key can use it until the certificate ends: docs/authority.md says what follows from that.
    """

    def chain(estate: Estate) -> Sequence[Stage]:
        try:
            chosen = choose(estate, leaf, host)
        except TaskFailedError as error:
            typer.echo(f"Nothing was touched: {error}", err=True)
            raise typer.Exit(2) from None
        if not (yes or typer.confirm(f"Revoke {chosen.name} on {chosen.host}, and replace it?")):
            raise typer.Exit(2)
        return revocation(chosen)

    sys.exit(execute(Options(inventory, lab=lab, json=json), chain))


if __name__ == "__main__":
    app()
