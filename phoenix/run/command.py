"""What every runbook does around its stages: read the inventory, choose targets, run, report, and say how it went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nornir.core.configuration import Config
from rich.console import Console

from phoenix.artifacts.errors import ArtifactError
from phoenix.connections.access import AccessError, HypervisorAccess, access_path, read_access
from phoenix.estate import Estate, InventoryError, load_estate
from phoenix.estate.target import TargetError, select
from phoenix.report.console import Progress, summary
from phoenix.run.record import RunRecord
from phoenix.run.runner import Runner
from phoenix.run.stage import Stage
from phoenix.run.start import Scope, begin

if TYPE_CHECKING:
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
class _Prepared:
    """Everything that a run needs before it touches anything."""

    estate: Estate
    access: Mapping[str, HypervisorAccess]
    artifacts: Mapping[str, Artifact]
    scope: Scope


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
    out, err = Console(), Console(stderr=True)
    try:
        prepared = _prepare(options, programs=programs)
    except InventoryError as error:
        title = f"the inventory cannot be used, {len(error.problems)} to correct; nothing was touched:"
        return _refuse(err, title, error, WRONG_INPUT)
    except TargetError as error:
        return _refuse(err, "the target names nothing of the estate; nothing was touched:", error, WRONG_INPUT)
    except (AccessError, ArtifactError) as error:
        return _refuse(err, "the run cannot begin; nothing was touched:", error, HOST_FAILED)
    record = RunRecord()
    progress = Progress(err if report else out, diff=options.diff, dry_run=options.dry_run)
    interrupted = _take(prepared, chain, record, progress)
    if report is None:
        summary(out, record, [host.name for host in prepared.estate.hosts()], dry_run=options.dry_run)
    if options.json:
        record.write(options.json)
    if interrupted:
        title = "stopped by Ctrl-C or SIGTERM: steps that had begun were finished, a further run goes on from here"
        return _refuse(err, title, "", INTERRUPTED)
    if report:
        return report(prepared.estate, prepared.scope.targets, record)
    if not record.failed and closing and not options.dry_run:
        for line in closing(prepared.estate, record):
            out.print(line, soft_wrap=True, highlight=False, markup=False)
    return HOST_FAILED if record.failed else GOOD


def _prepare(options: Options, *, programs: bool) -> _Prepared:
    config = configuration()
    estate = load_estate(options.inventory or usual_inventory(config))
    targets = select(estate, options.targets)
    access = read_access(access_path(lab=options.lab), tuple(h.name for h in estate.hypervisors))
    artifacts = _obtained(options) if programs else {}
    workers = options.workers or int(config.runner.options.get("num_workers", 16))
    return _Prepared(estate, access, artifacts, Scope(targets, dry_run=options.dry_run, workers=workers))


def _obtained(options: Options) -> Mapping[str, Artifact]:
    from phoenix.artifacts.obtain import cached, obtain_all  # noqa: PLC0415 - 0.03 s for who pushes programs

    return cached() if options.dry_run else obtain_all()


def _take(prepared: _Prepared, chain: Chain, record: RunRecord, progress: Progress) -> bool:
    """Take the run through its stages; tells whether it was interrupted."""
    with begin(prepared.estate, prepared.access, prepared.artifacts, prepared.scope) as (nornir, run):
        try:
            Runner(nornir, run, record, progress).take(chain(prepared.estate))
        except KeyboardInterrupt:
            return True
        finally:
            record.round_trips = run.round_trips()
    return False


def configuration() -> Config:
    """What config.yaml says."""
    return Config.from_file(str(CONFIG)) if CONFIG.exists() else Config()


def usual_inventory(config: Config | None = None) -> Path:
    """The inventory that config.yaml names, relative to it."""
    config = config or configuration()
    return CONFIG.parent / str(config.inventory.options.get("directory", "inventory"))


def _refuse(console: Console, title: str, details: object, status: int) -> int:
    console.print(f"[bold red]{title}[/]", soft_wrap=True)
    if str(details):
        console.print(str(details), markup=False, highlight=False, soft_wrap=True)
    return status
