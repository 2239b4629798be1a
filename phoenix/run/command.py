"""What every runbook does around its stages: read the inventory, choose targets, connect, run, and say how it went.

Connections to the hypervisors begin as soon as it is known which are needed. What only a run needs, Nornir, the console
and the tasks, is loaded meanwhile: that takes as long as connecting does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing as closed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.artifacts.errors import ArtifactError
from phoenix.connections.access import AccessError, access_path, read_access
from phoenix.connections.links import Links
from phoenix.estate import Estate, InventoryError, load_estate
from phoenix.estate.target import TargetError, select
from phoenix.run.record import RunRecord
from phoenix.run.stage import Stage, carriers

if TYPE_CHECKING:
    from nornir.core.configuration import Config

    from phoenix.artifacts.store import Artifact

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
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
    """Everything that a run needs before it touches anything."""

    options: Options
    links: Links
    targets: frozenset[str]
    artifacts: Mapping[str, Artifact]


def execute(
    options: Options,
    chain: Chain,
    closing: Closing | None = None,
    report: Report | None = None,
    *,
    programs: bool = True,
) -> int:
    """Run a chain of stages; gives the exit status. Nothing is touched when the inventory or the options are wrong.

    `programs` says whether the chain may push programs, so that they are obtained before it begins.
    """
    try:
        estate = load_estate(options.inventory or usual_inventory())
        targets = select(estate, options.targets)
        access = read_access(access_path(lab=options.lab), tuple(h.name for h in estate.hypervisors))
        with closed(Links(estate, access)) as links:
            links.begin(host.name for host in estate.hypervisors if host.name in targets | carriers(estate, targets))
            from phoenix.run.conduct import conduct  # noqa: PLC0415 - loads while the connections are made

            artifacts = _obtained(options) if programs else {}
            return conduct(Prepared(options, links, targets, artifacts), chain, closing, report)
    except InventoryError as error:
        title = f"the inventory cannot be used, {len(error.problems)} to correct; nothing was touched:"
        return _refuse(title, error, WRONG_INPUT)
    except TargetError as error:
        return _refuse("the target names nothing of the estate; nothing was touched:", error, WRONG_INPUT)
    except (AccessError, ArtifactError) as error:
        return _refuse("the run cannot begin; nothing was touched:", error, HOST_FAILED)


def _obtained(options: Options) -> Mapping[str, Artifact]:
    from phoenix.artifacts.obtain import cached, obtain_all  # noqa: PLC0415 - 0.03 s for who pushes programs

    return cached() if options.dry_run else obtain_all()


def configuration() -> Config:
    """What config.yaml says."""
    from nornir.core.configuration import Config  # noqa: PLC0415 - all of Nornir, which a run loads later

    return Config.from_file(str(CONFIG)) if CONFIG.exists() else Config()


def usual_inventory() -> Path:
    """The inventory that config.yaml names, relative to it."""
    return CONFIG.parent / str(configuration().inventory.options.get("directory", "inventory"))


def _refuse(title: str, details: object, status: int) -> int:
    from phoenix.report.console import refuse  # noqa: PLC0415 - loads the console

    refuse(title, details)
    return status
