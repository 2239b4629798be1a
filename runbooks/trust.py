"""Distribute the CA's anchors: `phoenix trust [--lab] [--target EXPR]... [--dry-run] [--diff]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.execute import execute
from phoenix.cli.process import run_command

if TYPE_CHECKING:
    from phoenix.estate import Estate
    from phoenix.run import Stage


def distribution(_estate: Estate) -> tuple[Stage, ...]:
    """The chain that distributes the CA's anchors to every host."""
    from phoenix.run import Stage, Step, everyone, hypervisors
    from phoenix.tasks.trust.batch import push_together
    from phoenix.tasks.trust.observe import observe_authority
    from phoenix.tasks.trust.push import push_trust

    return (
        Stage("authority", (Step(observe_authority, hypervisors, for_guests=True),)),
        Stage("together", (Step(push_together, hypervisors, for_guests=True),)),
        Stage("trust", (Step(push_trust, everyone),)),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the anchors that the CA publishes in every trust store of the hosts of `trusted_ca`."""
    return execute(options(parser().parse_args(arguments)), distribution, programs=False)


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("trust", description=main.__doc__)
    made.flag("--lab", "Distribute in the embedded lab.")
    made.common("--inventory", "--target", "--dry-run", "--diff", "--json", "--workers")
    return made


if __name__ == "__main__":
    sys.exit(run_command(main))
