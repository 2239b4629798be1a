"""Measures what the README promises by running the public commands."""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe
from benchmarks.measure import BenchmarkError, Measured, Scenario, measure, positive

PYTHON = sys.executable
DEPLOY = (PYTHON, "runbooks/deploy.py", "--lab")
UP, DOWN = (PYTHON, "runbooks/lab.py", "up"), (PYTHON, "runbooks/lab.py", "down")

# The order matters: each scenario leaves the lab in the state that the next one needs.
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
    Scenario("full matrix", (PYTHON, "runbooks/matrix.py", "--lab", "--full"), promise="5 s"),
)


def main() -> int:
    """Report minimum, median and maximum of each scenario, and the machine."""
    arguments = _arguments()
    console, machine = Console(), describe()
    console.print(*(f"{key}: {value}" for key, value in machine.items()), sep="\n", highlight=False)
    chosen = [one for one in SCENARIOS if not arguments.only or one.name.startswith(tuple(arguments.only))]
    measured: list[Measured] = []
    # /tmp may be a tmpfs, which is too small for an image.
    with tempfile.TemporaryDirectory(prefix="phoenix-bench-", dir="/var/tmp") as scratch:
        try:
            for scenario in chosen:
                console.print(f"measuring: {scenario.name}", style="dim")
                measured.append(measure(scenario, arguments.runs, Path(scratch)))
        except BenchmarkError as error:
            console.print(str(error), style="red", markup=False, highlight=False)
    console.print(_table(measured))
    if arguments.json:
        samples = {one.scenario.name: [asdict(sample) for sample in one.samples] for one in measured}
        arguments.json.write_text(json.dumps({"machine": machine, "samples": samples}, indent=2) + "\n")
    return int(len(measured) < len(chosen))


def _arguments() -> Namespace:
    parser = ArgumentParser(description=main.__doc__, allow_abbrev=False)
    parser.add_argument(
        "--runs",
        metavar="N",
        type=positive,
        default=5,
        help="Number of runs per scenario, except cold ones (default: %(default)s).",
    )
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="Run only scenarios whose name starts with NAME."
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="Also write the samples to this file.")
    return parser.parse_args()


def _table(measured: list[Measured]) -> Table:
    table = Table("scenario", "runs", "min s", "median s", "max s", "peak MiB", "promised", box=None)
    for one in measured:
        times = (f"{seconds:.2f}" for seconds in one.seconds())
        table.add_row(one.scenario.name, str(len(one.samples)), *times, f"{one.mib():.0f}", one.scenario.promise)
    return table


if __name__ == "__main__":
    sys.exit(main())
