"""Revoke a certificate and replace it: `python runbooks/revoke.py [--lab] LEAF [--host HOST] [--yes]`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.command import execute
from phoenix.cli.dialogue import confirm, interruptible, refuse
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate
from phoenix.run import Stage, Step
from phoenix.tasks.certificates.revocation import Chosen, choose
from phoenix.tasks.certificates.revocation import revoke as revoking
from phoenix.tasks.hosts.stages import PREFLIGHT


def revocation(chosen: Chosen) -> tuple[Stage, ...]:
    """One certificate, refused by the authority and replaced on its host."""
    step = Step(revoking(chosen), lambda estate: (estate.host(chosen.host),))
    return PREFLIGHT, Stage("revocation", (step,))


def revoke() -> int:
    """Let the authority renew a certificate no more, and replace it and its key.

    Whoever has the old key can use it until the certificate ends: docs/authority.md says what follows from that.
    """
    given = _given()

    def chain(estate: Estate) -> Sequence[Stage]:
        try:
            chosen = choose(estate, given.leaf, given.host)
        except TaskFailedError as error:
            refuse(f"Nothing was touched: {error}")
        if not given.yes:
            confirm(f"Revoke {chosen.name} on {chosen.host}, and replace it?")
        return revocation(chosen)

    return execute(options(given), chain)


def _given() -> Namespace:
    parser = Arguments(description=revoke.__doc__)
    parser.add_argument("leaf", metavar="LEAF", help="A leaf's name, or a name that the mesh serves.")
    parser.add_argument("--host", metavar="HOST", help="Its host, where several have such a leaf.")
    parser.flag("--yes", "Yes, revoke it.")
    parser.flag("--lab", "Revoke in the embedded lab.")
    parser.common("--inventory", "--json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(interruptible(revoke))
