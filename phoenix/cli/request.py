"""A runbook's request and result: options, stages, closing lines, exit statuses.

Every command line imports this module: its imports for types are not executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from phoenix.artifacts.store import Artifact
    from phoenix.connections.links import Links
    from phoenix.estate import Estate
    from phoenix.run.record import RunRecord
    from phoenix.run.stage import Stage

GOOD, HOST_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
CHANGES = 2
"""With `--exit-code`: there are changes to make, or changes were made."""
Chain: TypeAlias = "Callable[[Estate], Sequence[Stage]]"
Closing: TypeAlias = "Callable[[Estate, RunRecord], Iterable[str]]"
Report: TypeAlias = "Callable[[Estate, frozenset[str], RunRecord], int]"
"""Replaces the table of changes: prints from the estate, its targets and its record; returns the exit status."""


@dataclass(frozen=True)
class Options:
    """The options of one command line."""

    inventory: Path | None = None
    targets: tuple[str, ...] = ()
    lab: bool = False
    dry_run: bool = False
    diff: bool = False
    json: Path | None = None
    workers: int | None = None
    adopt: tuple[str, ...] = ()
    pruned: frozenset[int] = frozenset()
    no_restart: bool = False
    exit_code: bool = False


@dataclass(frozen=True)
class PreparedRun:
    """Everything that a run needs before its first stage.

    `inventory` is the folder that was read, `adopted` are the names of the guests to take over.
    """

    options: Options
    inventory: Path
    links: Links
    targets: frozenset[str]
    artifacts: Mapping[str, Artifact]
    adopted: frozenset[str] = frozenset()
