"""Measures a push of trust to forty containers, compared with pyinfra, Ansible and OpenSSH."""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console
from rich.table import Table

from benchmarks.forty import FORTY, PYTHON, Forty, use_own_lab
from benchmarks.machine import describe
from benchmarks.measure import BenchmarkError, positive, timed
from benchmarks.rivals import prepare

OURS = "Phoenix"
PROMISED = {("no change", "pyinfra"): 0.35, ("no change", "ansible-core"): 0.05, ("first push", "pyinfra"): 0.06}
Times = dict[tuple[str, str], list[float]]


def main() -> int:
    """Report the best time of each tool, and Phoenix's time as a fraction of it."""
    arguments = _arguments()
    use_own_lab()
    console, machine, times = Console(), describe(), Times()
    console.print(*(f"{key}: {value}" for key, value in machine.items()), sep="\n", highlight=False)
    with tempfile.TemporaryDirectory(prefix="phoenix-bench-", dir="/var/tmp") as scratch:
        forty = Forty(Path(scratch))
        try:
            console.print(f"creating {FORTY} containers", style="dim")
            forty.start()
            _measure(forty, times, arguments.firsts, arguments.runs, console)
        except BenchmarkError as error:
            console.print(str(error), style="red", markup=False, highlight=False)
        finally:
            forty.stop()
    console.print(_table(times))
    if arguments.json:
        samples = {f"{tool}, {scenario}": seconds for (scenario, tool), seconds in times.items()}
        arguments.json.write_text(json.dumps({"machine": machine, "samples": samples}, indent=2) + "\n")
    for missed in _missed(times):
        console.print(f"promise not met: {missed}", style="red", highlight=False)
    return int(bool(_missed(times)))


def _arguments() -> Namespace:
    parser = ArgumentParser(description=main.__doc__, allow_abbrev=False)
    parser.add_argument(
        "--runs",
        metavar="N",
        type=positive,
        default=5,
        help="Number of pushes without a change per tool (default: %(default)s).",
    )
    parser.add_argument(
        "--firsts",
        metavar="N",
        type=positive,
        default=1,
        help="Number of first pushes per tool (default: %(default)s).",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="Also write the samples to this file.")
    return parser.parse_args()


def _measure(forty: Forty, times: Times, firsts: int, runs: int, console: Console) -> None:
    """Measure first pushes, then pushes without a change; each round runs every tool."""
    ours = (PYTHON, "runbooks/trust.py", "--lab", "--inventory", str(forty.inventory))
    commands = {**prepare(forty), OURS: ours}
    log = forty.folder / "log"
    for round_ in range(1, firsts + 1):
        for tool, command in commands.items():
            console.print(f"first push {round_}: {tool}", style="dim")
            forty.forget()
            times.setdefault(("first push", tool), []).append(timed(command, {}, log).seconds)
            forty.verify()
    for _ in range(runs):
        for tool, command in commands.items():
            times.setdefault(("no change", tool), []).append(timed(command, {}, log).seconds)
    forty.verify()


def _table(times: Times) -> Table:
    table = Table("scenario", "tool", "best s", "runs", "Phoenix as a fraction", "promised", box=None)
    for (scenario, tool), samples in times.items():
        promised = PROMISED.get((scenario, tool))
        fraction = _fraction(times, scenario, tool)
        cell = "" if fraction is None or tool == OURS else f"{fraction:.3f}"
        table.add_row(
            scenario, tool, f"{min(samples):.2f}", str(len(samples)), cell, f"{promised:.2f}" if promised else ""
        )
    return table


def _fraction(times: Times, scenario: str, tool: str) -> float | None:
    ours, theirs = times.get((scenario, OURS)), times.get((scenario, tool))
    return min(ours) / min(theirs) if ours and theirs else None


def _missed(times: Times) -> list[str]:
    fractions = {key: _fraction(times, *key) for key in PROMISED}
    return [
        f"{scenario}: {'not measured' if part is None else f'{part:.3f} of {tool}'}, promised {PROMISED[key]:.2f}"
        for key, part in fractions.items()
        if part is None or part > PROMISED[key]
        for scenario, tool in (key,)
    ]


if __name__ == "__main__":
    sys.exit(main())
