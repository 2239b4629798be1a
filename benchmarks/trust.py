"""Measure a push of trust to forty containers, beside pyinfra, Ansible and OpenSSH; `make bench` runs it at the end."""

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
    """Report the best time of each tool, and ours as a part of it."""
    given = _given()
    use_own_lab()
    console, machine, times = Console(), describe(), Times()
    console.print(*(f"{key}: {value}" for key, value in machine.items()), sep="\n", highlight=False)
    with tempfile.TemporaryDirectory(prefix="phoenix-bench-", dir="/var/tmp") as scratch:
        forty = Forty(Path(scratch))
        try:
            console.print(f"making {FORTY} containers", style="dim")
            forty.start()
            _measure(forty, times, given.firsts, given.runs, console)
        except BenchmarkError as error:
            console.print(str(error), style="red", markup=False, highlight=False)
        finally:
            forty.stop()
    console.print(_table(times))
    if given.json:
        samples = {f"{tool}, {scenario}": found for (scenario, tool), found in times.items()}
        given.json.write_text(json.dumps({"machine": machine, "samples": samples}, indent=2) + "\n")
    for missed in _missed(times):
        console.print(f"not kept: {missed}", style="red", highlight=False)
    return int(bool(_missed(times)))


def _given() -> Namespace:
    parser = ArgumentParser(description=main.__doc__, allow_abbrev=False)
    parser.add_argument(
        "--runs",
        metavar="N",
        type=positive,
        default=5,
        help="Pushes without a change of each tool (default: %(default)s).",
    )
    parser.add_argument(
        "--firsts", metavar="N", type=positive, default=1, help="First pushes of each tool (default: %(default)s)."
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="Write the samples here, too.")
    return parser.parse_args()


def _measure(forty: Forty, times: Times, firsts: int, runs: int, console: Console) -> None:
    """First pushes, then pushes without a change; in each round every tool has its turn."""
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
    table = Table("scenario", "tool", "best s", "runs", "ours as a part of it", "promised", box=None)
    for (scenario, tool), samples in times.items():
        promised = PROMISED.get((scenario, tool))
        part = _part(times, scenario, tool)
        shown = "" if part is None or tool == OURS else f"{part:.3f}"
        table.add_row(
            scenario, tool, f"{min(samples):.2f}", str(len(samples)), shown, f"{promised:.2f}" if promised else ""
        )
    return table


def _part(times: Times, scenario: str, tool: str) -> float | None:
    ours, theirs = times.get((scenario, OURS)), times.get((scenario, tool))
    return min(ours) / min(theirs) if ours and theirs else None


def _missed(times: Times) -> list[str]:
    parts = {key: _part(times, *key) for key in PROMISED}
    return [
        f"{scenario}: {'nothing measured' if part is None else f'{part:.3f} of {tool}'}, promised {PROMISED[key]:.2f}"
        for key, part in parts.items()
        if part is None or part > PROMISED[key]
        for scenario, tool in (key,)
    ]


if __name__ == "__main__":
    sys.exit(main())
