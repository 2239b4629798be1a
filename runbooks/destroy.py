"""Destroy guests, never their persistent data: `phoenix destroy [--lab] --target EXPR --yes`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.dialogue import refuse
from phoenix.cli.execute import execute
from phoenix.cli.process import run_command

if TYPE_CHECKING:
    from phoenix.estate import Estate
    from phoenix.run import Stage


def destruction(estate: Estate) -> tuple[Stage, ...]:
    """Remove guests first, then templates; a template after those that were cloned from it."""
    from phoenix.run import Stage, Step, guests
    from phoenix.tasks.hosts.removal import destroy_guest
    from phoenix.tasks.hosts.stages import ACCESS, template_levels

    return (
        ACCESS,
        Stage("guests", (Step(destroy_guest, guests),)),
        *(Stage("templates", (Step(destroy_guest, level),)) for level in reversed(template_levels(estate))),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Stop and remove the targeted guests and templates; keep the directories of persistent data."""
    given = parser().parse_args(arguments)
    if not (given.yes or given.dry_run):
        refuse("This destroys guests. No host was changed. Add --yes to confirm, or --dry-run to list them.")
    return execute(options(given), destruction)


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("destroy", description=main.__doc__)
    made.common("--target", required=True)
    made.flag("--yes", "Confirm without a question.")
    made.flag("--lab", "Destroy in the embedded lab.")
    made.common("--inventory")
    made.flag("--dry-run", "List the guests without destroying them.")
    made.common("--json")
    return made


if __name__ == "__main__":
    sys.exit(run_command(main))
