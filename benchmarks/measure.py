"""Runs commands as an operator would and measures their time and memory."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 1200.0  # seconds for any one command


class BenchmarkError(Exception):
    """A measured command failed; the message holds the end of its output."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds, and the largest resident memory of any of its processes."""

    seconds: float
    mib: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """A measurement: the command, the commands before and after it, and the promised result."""

    name: str
    command: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    after: tuple[tuple[str, ...], ...] = ()
    fresh_cache: bool = False
    runs: int | None = None  # None: the number of the option --runs
    promise: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """A scenario's samples."""

    scenario: Scenario
    samples: tuple[Sample, ...] = field(default=())

    def seconds(self) -> tuple[float, float, float]:
        """Return minimum, median and maximum."""
        times = [sample.seconds for sample in self.samples]
        return min(times), median(times), max(times)

    def mib(self) -> float:
        """Return the largest memory of all runs."""
        return max(sample.mib for sample in self.samples)


def positive(text: str) -> int:
    """Parse an option's value that must be at least 1."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def measure(scenario: Scenario, runs: int, scratch: Path) -> Measured:
    """Run a scenario several times, with its commands before and after each run."""
    samples = []
    for number in range(scenario.runs or runs):
        for step in scenario.before:
            timed(step, {}, scratch / "before.log")
        folder = scratch / f"{scenario.name.replace(' ', '-')}-{number}"
        environment = {"PHOENIX_CACHE": str(folder)} if scenario.fresh_cache else {}
        samples.append(timed(scenario.command, environment, folder.with_suffix(".log")))
        for step in scenario.after:
            timed(step, {}, scratch / "after.log")
    return Measured(scenario, tuple(samples))


def timed(command: tuple[str, ...], environment: Mapping[str, str], log: Path) -> Sample:
    """Run a command with its output in a file; kill it and its children after LIMIT."""
    start = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        # wait4(2) instead of Popen.wait: it returns this child's own memory use.
        _, status, usage = os.wait4(process.pid, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise BenchmarkError(f"{' '.join(command)} ended with {process.returncode}:\n{end}")
    return Sample(time.monotonic() - start, usage.ru_maxrss / 1024)
