"""Measure what the README promises, by running the public commands; `make bench`."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

sys.path[0] = str(Path(__file__).resolve().parents[1])

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe
from benchmarks.measure import BenchmarkError, Measured, Scenario, measure

PYTHON = sys.executable
DEPLOY = (PYTHON, "runbooks/deploy.py", "--lab")
UP, DOWN = (PYTHON, "runbooks/lab.py", "up"), (PYTHON, "runbooks/lab.py", "down")

# In this order: each leaves the lab as the next one wants it.
SCENARIOS = (
    Scenario("artifacts cold", (PYTHON, "runbooks/artifacts.py"), fresh_cache=True, runs=1),
    Scenario(
        "image cold",
        UP,
        before=(DOWN,),
        after=(DOWN,),
        fresh_cache=True,
        runs=1,
        promise="40 s for mmdebstrap",
    ),
    Scenario(
        "make deploy cold",
        ("make", "deploy"),
        before=(DOWN,),
        after=(DOWN,),
        fresh_cache=True,
        runs=1,
        promise="360 s",
    ),
    Scenario("lab up", UP, before=(DOWN,)),
    Scenario("deploy cached", DEPLOY, before=(DOWN, UP), promise="30 s, aim 15 s; 200 MiB"),
    Scenario("second run", DEPLOY, promise="3 s, aim 1.5 s; 200 MiB"),
    Scenario("plan", (*DEPLOY, "--dry-run")),
    Scenario("one guest", (*DEPLOY, "--target", "traefik")),
)


def main(
    *,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each scenario that is not cold.")] = 5,
    only: Annotated[list[str] | None, typer.Option(help="Scenarios, by the beginning of their name.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the samples here, too.")] = None,
) -> None:
    """Report minimum, median and maximum of each scenario, with the machine they are of."""
    console, machine = Console(), describe()
    console.print(*(f"{key}: {value}" for key, value in machine.items()), sep="\n", highlight=False)
    chosen = [one for one in SCENARIOS if not only or one.name.startswith(tuple(only))]
    measured: list[Measured] = []
    # Not below /tmp: that may be a tmpfs, and an image is large.
    with tempfile.TemporaryDirectory(prefix="phoenix-bench-", dir="/var/tmp") as scratch:
        try:
            for scenario in chosen:
                console.print(f"measuring: {scenario.name}", style="dim")
                measured.append(measure(scenario, runs, Path(scratch)))
        except BenchmarkError as error:
            console.print(str(error), style="red", markup=False, highlight=False)
    console.print(_table(measured))
    if json_file:
        samples = {one.scenario.name: [asdict(sample) for sample in one.samples] for one in measured}
        json_file.write_text(json.dumps({"machine": machine, "samples": samples}, indent=2) + "\n")
    raise typer.Exit(len(measured) < len(chosen))


def _table(measured: list[Measured]) -> Table:
    table = Table("scenario", "runs", "min s", "median s", "max s", "peak MiB", "promised", box=None)
    for one in measured:
        times = (f"{seconds:.2f}" for seconds in one.seconds())
        table.add_row(one.scenario.name, str(len(one.samples)), *times, f"{one.mib():.0f}", one.scenario.promise)
    return table


if __name__ == "__main__":
    typer.run(main)
