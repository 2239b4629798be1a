"""Measures a run on an unchanged firewall of the deployed lab: one sweep of reads, the plan and its proof."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console

from benchmarks.machine import describe
from benchmarks.measure import positive
from phoenix.cli.config import default_inventory
from phoenix.connections.access import access_path, read_access
from phoenix.connections.links import Links
from phoenix.estate import Hypervisor, load_estate
from phoenix.pve.firewall.plan.level import WritePhase
from phoenix.run.context import Run
from phoenix.tasks.firewall.plan import plan_firewall
from phoenix.tasks.firewall.read_levels import sweep
from phoenix.tasks.support.guests import learn_guests

PROMISED = 0.5


def main() -> int:
    """Report minimum, median and maximum; exit if the firewall differs from the derived one."""
    parser = ArgumentParser(description=main.__doc__, allow_abbrev=False)
    parser.add_argument("--runs", metavar="N", type=positive, default=7, help="Number of runs (default: %(default)s).")
    runs, console, estate = parser.parse_args().runs, Console(), load_estate(default_inventory())
    console.print(*(f"{key}: {value}" for key, value in describe().items()), sep="\n", highlight=False)
    hypervisor = estate.hypervisors[0]
    links = Links(estate, read_access(access_path(lab=True), (hypervisor.name,)))
    run = Run(estate, links, frozenset(host.name for host in estate.hosts()))
    learn_guests(run, hypervisor)
    swept = _times(runs, lambda: sweep(links.api(hypervisor.name), estate, hypervisor, estate.guests))
    whole = _times(runs, lambda: _unchanged(run, hypervisor))
    links.close()
    for name, times in (("sweep alone", swept), ("sweep, plan and proof", whole)):
        summary = " ".join(f"{kind} {value:.3f} s" for kind, value in _summary(times).items())
        console.print(f"{name}: {summary} (promised {PROMISED} s)", highlight=False)
    return int(median(whole) > PROMISED)


def _times(runs: int, work: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(runs):
        start = time.monotonic()
        work()
        times.append(time.monotonic() - start)
    return times


def _summary(times: list[float]) -> dict[str, float]:
    return {"min": min(times), "median": median(times), "max": max(times)}


def _unchanged(run: Run, hypervisor: Hypervisor) -> None:
    if writes := plan_firewall(run, hypervisor, frozenset(WritePhase)).writes:
        sys.exit(f"the firewall differs from the derived one by {len(writes)} writes; deploy to the lab first")


if __name__ == "__main__":
    sys.exit(main())
