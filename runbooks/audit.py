"""List every certificate and private key: `phoenix audit [--lab] [--target EXPR]... [--format FORMAT]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.execute import execute
from phoenix.cli.process import run_command
from phoenix.cli.request import GOOD, HOST_FAILED

if TYPE_CHECKING:
    from phoenix.estate import Estate
    from phoenix.run import Stage
    from phoenix.run.record import RunRecord
    from phoenix.tasks.proof.audit import Audit


def inspection(scan: Audit) -> tuple[Stage, ...]:
    """Scan every running host; change no host."""
    from phoenix.run import Stage, Step, everyone, hypervisors
    from phoenix.tasks.hosts.removal import announce_undeclared

    learn = Step(scan.observe_guests, hypervisors, for_guests=True)
    return (
        Stage("hypervisors", (learn, Step(announce_undeclared, hypervisors, for_guests=True))),
        Stage("audit", (Step(scan.observe_certificates, everyone), Step(scan.observe_again, everyone))),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """List every certificate and private key on every host, managed or not; red ones give status 1."""
    given = parser().parse_args(arguments)

    from phoenix.pki.audit.compare import audit
    from phoenix.pki.x509.validity import utc_now
    from phoenix.report.audit import write_report
    from phoenix.tasks.proof.audit import PLACES, Audit

    scan = Audit()

    def report(estate: Estate, targets: frozenset[str], record: RunRecord) -> int:
        wanted = targets & {host.name for host in estate.live()}
        rows = audit(estate, PLACES, scan.seen(wanted, record.errors()), utc_now())
        write_report(rows, given.format, given.output)
        return HOST_FAILED if any(row.is_red for row in rows) else GOOD

    looking = replace(options(given), dry_run=True)
    return execute(looking, lambda _estate: inspection(scan), report=report)


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("audit", description=main.__doc__)
    made.flag("--lab", "Audit the embedded lab.")
    made.common("--inventory", "--target")
    made.add_argument(
        "--format",
        choices=("table", "json", "csv"),
        default="table",
        help="Output format (default: %(default)s).",
    )
    made.add_argument("--output", metavar="FILE", type=Path, help="Write to this file.")
    made.common("--workers")
    return made


if __name__ == "__main__":
    sys.exit(run_command(main))
