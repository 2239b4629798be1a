"""Show every name and its origin: `phoenix dns [--inventory DIR] [--format FORMAT] [--why NAME]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

try:
    from phoenix.cli.arguments import Arguments
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.process import run_command
from phoenix.cli.request import GOOD

NO_SUCH_NAME = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Show what each view of the estate's names answers, each with the line of the inventory; no server is asked.

    The LAN view is what machines outside the estate see, the guest view what guests and hypervisors see. A question
    gives status 0, or 1 for a name of the zones that does not exist.
    """
    given = parser().parse_args(arguments)

    from phoenix.cli.reading import read_inventory
    from phoenix.derive.dns_answers import answer, is_outside
    from phoenix.derive.names import records
    from phoenix.report.dns_answers import as_json, as_table, why

    estate, sources = read_inventory(given.inventory)
    if given.why:
        reply = answer(estate, given.why)
        print(why(reply, estate, sources), end="")
        return GOOD if reply.record or is_outside(estate, reply) else NO_SUCH_NAME
    print({"table": as_table, "json": as_json}[given.format](records(estate), sources), end="")
    return GOOD


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("dns", description=main.__doc__)
    made.common("--inventory")
    asked = made.add_mutually_exclusive_group()
    asked.add_argument("--format", choices=("table", "json"), default="table", help="Output format.")
    asked.add_argument(
        "--why", metavar="NAME", help="Show each view's answer for a name or an address, and the reason."
    )
    return made


if __name__ == "__main__":
    sys.exit(run_command(main))
