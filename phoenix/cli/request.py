"""What a runbook is asked for, and how it answers: options, stages, what is said at the end, exit statuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.connections.links import Links
from phoenix.estate import Estate
from phoenix.run.record import RunRecord
from phoenix.run.stage import Stage

if TYPE_CHECKING:
    from phoenix.artifacts.store import Artifact

GOOD, HOST_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
Chain = Callable[[Estate], Sequence[Stage]]
Closing = Callable[[Estate, RunRecord], Iterable[str]]
Report = Callable[[Estate, frozenset[str], RunRecord], int]
"""What a run says instead of the table of changes, from the estate, its targets and its record; gives the status."""


@dataclass(frozen=True)
class Options:
    """What an operator asked for on the command line."""

    inventory: Path | None = None
    targets: tuple[str, ...] = ()
    lab: bool = False
    dry_run: bool = False
    diff: bool = False
    json: Path | None = None
    workers: int | None = None


@dataclass(frozen=True)
class Prepared:
    """Everything that a run needs before it touches anything; `inventory` is the folder that was read."""

    options: Options
    inventory: Path
    links: Links
    targets: frozenset[str]
    artifacts: Mapping[str, Artifact]
