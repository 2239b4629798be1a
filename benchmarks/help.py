"""Measure how long `--help` of every command takes; `make bench` runs it first."""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe
from benchmarks.measure import BenchmarkError, Measured, Scenario, measure, positive
from phoenix.runbooks.__main__ import COMMANDS

PHOENIX = str(Path(sys.executable).with_name("phoenix"))
PROMISED = 0.3
"""Seconds, for the median."""
SCENARIOS = (
    Scenario("phoenix --help", (PHOENIX, "--help")),
    *(Scenario(f"phoenix {name} --help", (PHOENIX, name, "--help")) for name in COMMANDS),
    Scenario("python deploy.py --help", (sys.executable, "runbooks/deploy.py", "--help")),
)


def main() -> int:
    """Report minimum, median and maximum of each command; status 1 if a median is above the promise."""
    parser = ArgumentParser(description=main.__doc__, allow_abbrev=False)
    parser.add_argument("--runs", metavar="N", type=positive, default=5, help="Runs of each (default: %(default)s).")
    runs, console = parser.parse_args().runs, Console()
    console.print(*(f"{key}: {value}" for key, value in describe().items()), sep="\n", highlight=False)
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="phoenix-bench-") as scratch:
        try:
            measured += (measure(scenario, runs, Path(scratch)) for scenario in SCENARIOS)
        except BenchmarkError as error:
            console.print(str(error), style="red", markup=False, highlight=False)
    table = Table("command", "min s", "median s", "max s", "peak MiB", f"promised {PROMISED} s", box=None)
    for one in measured:
        times, is_kept = (f"{seconds:.2f}" for seconds in one.seconds()), one.seconds()[1] <= PROMISED
        table.add_row(one.scenario.name, *times, f"{one.mib():.0f}", "kept" if is_kept else "not kept")
    console.print(table)
    return int(len(measured) < len(SCENARIOS) or any(one.seconds()[1] > PROMISED for one in measured))


if __name__ == "__main__":
    sys.exit(main())
