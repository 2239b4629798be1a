"""Deploy the estate, or a part of it: `python runbooks/deploy.py [--lab] [--target EXPR]... [--dry-run] [--diff]`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.estate import Estate
from phoenix.run import Stage
from phoenix.run.command import Options, execute
from phoenix.run.record import RunRecord
from tasks.ca import exported_root
from tasks.proof import answering
from tasks.stages import deployment

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def deploy(
    *,
    lab: Annotated[bool, typer.Option("--lab", help="Deploy to the embedded lab.")] = False,
    inventory: Annotated[Path | None, typer.Option(metavar="DIR", help="The inventory.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="EXPR", help="Name, vmid, group, tag or key=value; again for more."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the differences themselves.")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record of the run.")] = None,
    reset_ca: Annotated[bool, typer.Option("--reset-ca", help="Give up the authority, and make another one.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether the reset is meant.")] = False,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, max=256, help="Hosts at the same time.")] = None,
) -> None:
    """Bring hypervisor, guests, authority, trust, certificates, services and firewall to what the inventory says."""
    options = Options(inventory, tuple(target or ()), lab, dry_run, diff, json, workers)
    if reset_ca and target:
        raise typer.BadParameter("a reset concerns every host: leave out --target")
    chain = partial(_resetting, asked=not (yes or dry_run)) if reset_ca else deployment
    sys.exit(execute(options, chain, partial(_closing, lab=lab)))


def _resetting(estate: Estate, *, asked: bool) -> tuple[Stage, ...]:
    """The deployment with a reset, which the operator must want by name."""
    warning = f"This makes a new root for {estate.zone}; whoever trusts the present one must be given the new one."
    if asked and typer.prompt(f"{warning} Type the zone to go on") != estate.zone:
        typer.echo("That is not the zone. Nothing was touched.", err=True)
        raise typer.Exit(2)
    return deployment(estate, reset=True)


def _closing(estate: Estate, record: RunRecord, *, lab: bool) -> Iterator[str]:
    if not record.did("prove_routes"):
        return
    urls = answering(estate)
    yield "These names answer:"
    yield from (f"  {url}" for url in urls)
    root = exported_root(estate)
    if lab and urls:
        yield "Try one, from a machine outside the estate that has nothing but the root:"
        python = "python" if "VIRTUAL_ENV" in os.environ else ".venv/bin/python"
        give = f"{python} runbooks/lab.py exec pve -- cat {root}"
        yield f"  {give} | {python} runbooks/lab.py exec client -- curl -sS --cacert /dev/stdin {urls[0]}"
    else:
        yield f"Machines that are to use them need the root: {root} on {estate.hypervisors[0].name}"


if __name__ == "__main__":
    app()
