"""A prepared run, from its first stage to its report."""

from __future__ import annotations

from rich.console import Console

from phoenix.cli.config import nornir_config
from phoenix.cli.request import CHANGES, GOOD, HOST_FAILED, INTERRUPTED, Chain, Closing, PreparedRun, Report
from phoenix.report.console import Progress, refuse, summary
from phoenix.run.context import Consent
from phoenix.run.record import RunRecord
from phoenix.run.runner import Runner
from phoenix.run.start import Scope, begin


def conduct(prepared: PreparedRun, chain: Chain, closing: Closing | None, report: Report | None) -> int:
    """Take a run through its stages and report the result; return the exit status."""
    options, estate, record = prepared.options, prepared.links.estate, RunRecord()
    out, err = Console(), Console(stderr=True)
    progress = Progress(err if report else out, diff=options.diff, dry_run=options.dry_run)
    prepared.links.waits.announce = progress.wait
    interrupted = _take(prepared, chain, record, progress)
    if report is None:
        summary(out, record, [host.name for host in estate.hosts()], dry_run=options.dry_run)
    if options.json:
        record.write(options.json)
    if interrupted:
        refuse("stopped by Ctrl-C or SIGTERM: running steps were finished; the same command continues from here")
        return INTERRUPTED
    if report:
        return report(estate, prepared.targets, record)
    if not record.failed and closing and not options.dry_run:
        for line in closing(estate, record):
            out.print(line, soft_wrap=True, highlight=False, markup=False)
    if record.failed:
        return HOST_FAILED
    return CHANGES if options.exit_code and record.changed else GOOD


def _take(prepared: PreparedRun, chain: Chain, record: RunRecord, progress: Progress) -> bool:
    """Take the run through its stages; return whether it was interrupted."""
    options = prepared.options
    scope = Scope(
        prepared.targets,
        options.dry_run,
        options.workers,
        prepared.inventory,
        Consent(prepared.adopted, options.pruned, may_restart=not options.no_restart),
        nornir_config(),
    )
    nornir, run = begin(prepared.links, prepared.artifacts, scope)
    try:
        Runner(nornir, run, record, progress).take(chain(run.estate))
    except KeyboardInterrupt:
        return True
    finally:
        record.round_trips = run.round_trips()
    return False
