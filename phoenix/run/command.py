"""What every runbook does around its stages: read the inventory, choose targets, run, report, and say how it went."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nornir.core.configuration import Config
from rich.console import Console

from phoenix.artifacts import ArtifactError, cached, obtain_all
from phoenix.connections.access import AccessError, access_path, read_access
from phoenix.estate import Estate, InventoryError, load_estate
from phoenix.estate.target import TargetError, select
from phoenix.report.console import Progress, summary
from phoenix.run.record import RunRecord
from phoenix.run.runner import Runner
from phoenix.run.stage import Stage
from phoenix.run.start import Scope, begin

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
GOOD, HOST_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
Chain = Callable[[Estate], Sequence[Stage]]


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


def execute(options: Options, chain: Chain, closing: Callable[[Estate], Iterable[str]] | None = None) -> int:
    """Run a chain of stages; gives the exit status. Nothing is touched when the inventory or the options are wrong."""
    out, err = Console(), Console(stderr=True)
    try:
        config = Config.from_file(str(CONFIG)) if CONFIG.exists() else Config()
        estate = load_estate(options.inventory or _directory(config))
        targets = select(estate, options.targets)
        access = read_access(access_path(lab=options.lab), tuple(h.name for h in estate.hypervisors))
        artifacts = cached() if options.dry_run else obtain_all()
    except InventoryError as error:
        _say(
            err,
            f"the inventory cannot be used, {len(error.problems)} to correct; nothing was touched:",
            error,
        )
        return WRONG_INPUT
    except TargetError as error:
        _say(err, "the target names nothing of the estate; nothing was touched:", error)
        return WRONG_INPUT
    except (AccessError, ArtifactError) as error:
        _say(err, "the run cannot begin; nothing was touched:", error)
        return HOST_FAILED
    record = RunRecord()
    interrupted = False
    workers = options.workers or int(config.runner.options.get("num_workers", 16))
    scope = Scope(targets, dry_run=options.dry_run, workers=workers)
    with begin(estate, access, artifacts, scope) as (nornir, run):
        progress = Progress(out, diff=options.diff, dry_run=options.dry_run)
        try:
            Runner(nornir, run, record, progress).take(chain(estate))
        except KeyboardInterrupt:
            interrupted = True
        record.round_trips = run.round_trips()
    _report(out, record, [host.name for host in estate.hosts()], options)
    if interrupted:
        _say(err, "stopped by Ctrl-C: steps that had begun were finished, a further run goes on from here", "")
        return INTERRUPTED
    if record.failed:
        return HOST_FAILED
    for line in closing(estate) if closing and not options.dry_run else ():
        out.print(line, soft_wrap=True)
    return GOOD


def _directory(config: Config) -> Path:
    """The inventory that config.yaml names, relative to it."""
    return CONFIG.parent / str(config.inventory.options.get("directory", "inventory"))


def _report(out: Console, record: RunRecord, order: Sequence[str], options: Options) -> None:
    summary(out, record, order, dry_run=options.dry_run)
    if options.json:
        record.write(options.json)


def _say(console: Console, title: str, details: object) -> None:
    console.print(f"[bold red]{title}[/]", soft_wrap=True)
    if str(details):
        console.print(str(details), markup=False, highlight=False, soft_wrap=True)


signal.signal(signal.SIGTERM, signal.default_int_handler)
