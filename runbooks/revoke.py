"""Revoke a certificate and replace it: `phoenix revoke [--lab] LEAF [--host HOST] [--yes]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.dialogue import confirm, refuse
from phoenix.cli.execute import execute
from phoenix.cli.process import run_command

if TYPE_CHECKING:
    from phoenix.estate import Estate
    from phoenix.run import Stage
    from phoenix.tasks.certificates.revocation import Chosen


def revocation(chosen: Chosen) -> tuple[Stage, ...]:
    """The chain that revokes one certificate and replaces it on its host."""
    from phoenix.run import Stage, Step
    from phoenix.tasks.certificates.revocation import revoke
    from phoenix.tasks.hosts.stages import ACCESS

    step = Step(revoke(chosen), lambda estate: (estate.host(chosen.host),))
    return ACCESS, Stage("revocation", (step,))


def main(arguments: Sequence[str] | None = None) -> int:
    """Stop the renewal of a certificate by the authority, and replace it and its key.

    The old key stays usable until the certificate expires: docs/authority.md describes the consequences.
    """
    given = parser().parse_args(arguments)

    def chain(estate: Estate) -> Sequence[Stage]:
        from phoenix.errors import TaskFailedError
        from phoenix.tasks.certificates.revocation import choose

        try:
            chosen = choose(estate, given.leaf, given.host)
        except TaskFailedError as error:
            refuse(f"No host was changed: {error}")
        if not given.yes:
            confirm(f"Revoke {chosen.name} on {chosen.host}, and replace it?")
        return revocation(chosen)

    return execute(options(given), chain)


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("revoke", description=main.__doc__)
    made.add_argument("leaf", metavar="LEAF", help="A leaf's name, or a name that the mesh serves.")
    made.add_argument("--host", metavar="HOST", help="Its host, if several hosts have a leaf of this name.")
    made.flag("--yes", "Confirm without a question.")
    made.flag("--lab", "Revoke in the embedded lab.")
    made.common("--inventory", "--json")
    return made


if __name__ == "__main__":
    sys.exit(run_command(main))
