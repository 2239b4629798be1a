"""List every certificate and private key: `python runbooks/audit.py [--lab] [--target EXPR]... [--format FORMAT]`."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.command import execute
from phoenix.cli.dialogue import interruptible
from phoenix.cli.request import GOOD, HOST_FAILED
from phoenix.estate import Estate
from phoenix.pki.audit.compare import audit as compare
from phoenix.pki.x509.validity import utc_now
from phoenix.report.audit import write_report
from phoenix.run import Stage, Step, everyone, hypervisors
from phoenix.run.record import RunRecord
from phoenix.tasks.proof.audit import PLACES, Audit


def inspection(looked: Audit) -> tuple[Stage, ...]:
    """Scan every host that runs; change nothing."""
    return (
        Stage("hypervisors", (Step(looked.observe_guests, hypervisors, for_guests=True),)),
        Stage("audit", (Step(looked.observe_certificates, everyone),)),
    )


def audit() -> int:
    """List every certificate and private key on every host, managed or not; red ones give status 1."""
    given, looked = _given(), Audit()

    def report(estate: Estate, targets: frozenset[str], record: RunRecord) -> int:
        wanted = targets & {host.name for host in estate.live()}
        rows = compare(estate, PLACES, looked.seen(wanted, record.errors()), utc_now())
        write_report(rows, given.format, given.output)
        return HOST_FAILED if any(row.is_red for row in rows) else GOOD

    looking = replace(options(given), dry_run=True)
    return execute(looking, lambda _estate: inspection(looked), report=report)


def _given() -> Namespace:
    parser = Arguments(description=audit.__doc__)
    parser.flag("--lab", "Look at the embedded lab.")
    parser.common("--inventory", "--target")
    parser.add_argument(
        "--format",
        choices=("table", "json", "csv"),
        default="table",
        help="How the rows are written (default: %(default)s).",
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="Write them there instead.")
    parser.common("--workers")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(interruptible(audit))
