"""Destroy guests, never their persistent data: `python runbooks/destroy.py [--lab] --target EXPR --yes`."""

from __future__ import annotations

import sys

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.command import execute
from phoenix.cli.dialogue import interruptible, refuse
from phoenix.estate import Estate
from phoenix.run import Stage, Step, guests
from phoenix.tasks.hosts.guest import destroy_guest
from phoenix.tasks.hosts.stages import PREFLIGHT, template_levels


def destruction(estate: Estate) -> tuple[Stage, ...]:
    """Guests first, then templates; a template that others were cloned from is removed last."""
    return (
        PREFLIGHT,
        Stage("guests", (Step(destroy_guest, guests),)),
        *(Stage("templates", (Step(destroy_guest, level),)) for level in reversed(template_levels(estate))),
    )


def destroy() -> int:
    """Stop and remove the targeted guests and templates; directories that outlive them stay where they are."""
    parser = Arguments(description=destroy.__doc__)
    parser.common("--target", required=True)
    parser.flag("--yes", "Yes, destroy them.")
    parser.flag("--lab", "Destroy in the embedded lab.")
    parser.common("--inventory")
    parser.flag("--dry-run", "Say what would be destroyed.")
    parser.common("--json")
    given = parser.parse_args()
    if not (given.yes or given.dry_run):
        refuse("This destroys guests. Nothing was touched; say --yes if that is meant, or --dry-run to see.")
    return execute(options(given), destruction)


if __name__ == "__main__":
    sys.exit(interruptible(destroy))
