"""Distribute the authority's anchors: `python runbooks/trust.py [--lab] [--target EXPR]... [--dry-run] [--diff]`."""

from __future__ import annotations

import sys

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.command import execute
from phoenix.cli.dialogue import interruptible
from phoenix.estate import Estate
from phoenix.run import Stage


def trust() -> int:
    """Bring every store of every host of `trusted_ca` to the anchors that the authority publishes now."""
    parser = Arguments(description=trust.__doc__)
    parser.flag("--lab", "Distribute in the embedded lab.")
    parser.common("--inventory", "--target", "--dry-run", "--diff", "--json", "--workers")
    return execute(options(parser.parse_args()), _stages, programs=False)


def _stages(estate: Estate) -> tuple[Stage, ...]:
    from phoenix.tasks.trust.stages import trust_distribution  # noqa: PLC0415 - loads while the connections are made

    return trust_distribution(estate)


if __name__ == "__main__":
    sys.exit(interruptible(trust))
