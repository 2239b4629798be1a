"""Test which host can reach which: `phoenix matrix [--lab] [--target EXPR]... [--full]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
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
    from phoenix.tasks.firewall.live_matrix import Reach


def reachability(reach: Reach) -> tuple[Stage, ...]:
    """Open real connections between all running hosts; change no host."""
    from phoenix.run import Stage, Step, hypervisors
    from phoenix.tasks.hosts.stages import ACCESS

    return ACCESS, Stage("matrix", (Step(reach.try_connections, hypervisors, for_guests=True),))


def main(arguments: Sequence[str] | None = None) -> int:
    """Open real connections between all hosts, and compare each with the model of the firewall as it is now.

    Tests every declared port and some undeclared ones from inside the hosts; installs and changes nothing there.
    Exit status: 0 if all packets were treated as in the model, 1 if some were not or could not be tested, or if a guest
    has an interface that the inventory does not declare.
    """
    given = parser().parse_args(arguments)

    from phoenix.report.matrix import as_text
    from phoenix.tasks.firewall.live_matrix import Reach

    reach = Reach(full=given.full)

    def report(_estate: Estate, _targets: frozenset[str], record: RunRecord) -> int:
        for host, error in record.errors().items():
            print(f"{host}: {error}")
        print(as_text(reach.tried, reach.undeclared), end="")
        good = (
            not record.failed
            and not reach.undeclared
            and reach.tried
            and all(one.judgment == "agrees" for one in reach.tried)
        )
        return GOOD if good else HOST_FAILED

    looking = replace(options(given), dry_run=True)
    return execute(looking, lambda _estate: reachability(reach), report=report, programs=False)


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("matrix", description=main.__doc__)
    made.flag("--lab", "Test the embedded lab.")
    made.common("--inventory", "--target")
    made.flag("--full", "Test every port of the inventory between every two hosts.")
    return made


if __name__ == "__main__":
    sys.exit(run_command(main))
