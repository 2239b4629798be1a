"""Distribute the authority's anchors: `python runbooks/trust.py [--lab] [--target EXPR]... [--dry-run] [--diff]`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.command import execute
from phoenix.cli.dialogue import interruptible
from phoenix.estate import Estate

if TYPE_CHECKING:
    from phoenix.run import Stage


def trust() -> int:
    """Bring every store of every host of `trusted_ca` to the anchors that the authority publishes now."""
    parser = Arguments(description=trust.__doc__)
    parser.flag("--lab", "Distribute in the embedded lab.")
    parser.common("--inventory", "--target", "--dry-run", "--diff", "--json", "--workers")
    return execute(options(parser.parse_args()), _stages, programs=False)


def _stages(_estate: Estate) -> tuple[Stage, ...]:
    """The anchors that the authority publishes, on every host; loaded while the connections are made."""
    from phoenix.run import Stage, Step, everyone, hypervisors  # noqa: PLC0415
    from phoenix.tasks.trust.batch import push_together  # noqa: PLC0415
    from phoenix.tasks.trust.observe import observe_authority  # noqa: PLC0415
    from phoenix.tasks.trust.push import push_trust  # noqa: PLC0415

    return (
        Stage("authority", (Step(observe_authority, hypervisors, for_guests=True),)),
        Stage("together", (Step(push_together, hypervisors, for_guests=True),)),
        Stage("trust", (Step(push_trust, everyone),)),
    )


if __name__ == "__main__":
    sys.exit(interruptible(trust))
