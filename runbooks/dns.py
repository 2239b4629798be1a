"""Say which names there are, and why: `python runbooks/dns.py [--inventory DIR] [--format FORMAT] [--why NAME]`."""

from __future__ import annotations

import sys
from argparse import Namespace

try:
    from phoenix.cli.arguments import Arguments
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.dialogue import interruptible
from phoenix.cli.reading import read_inventory
from phoenix.cli.request import GOOD
from phoenix.derive.answers import answer, is_outside
from phoenix.derive.names import records
from phoenix.report.names import as_json, as_table, why

NO_SUCH_NAME = 1


def dns() -> int:
    """Say what each view of the estate's names answers, each with the line of the inventory; no server is asked.

    The LAN view is what machines outside the estate see, the guest view what guests and hypervisors see. A question
    gives status 0, or 1 for a name of the zones that does not exist.
    """
    given = _given()
    estate, sources = read_inventory(given.inventory)
    if given.why:
        found = answer(estate, given.why)
        print(why(found, estate, sources), end="")
        return GOOD if found.record or is_outside(estate, found) else NO_SUCH_NAME
    print({"table": as_table, "json": as_json}[given.format](records(estate), sources), end="")
    return GOOD


def _given() -> Namespace:
    parser = Arguments(description=dns.__doc__)
    parser.common("--inventory")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--format", choices=("table", "json"), default="table", help="How the names are written.")
    asked.add_argument("--why", metavar="NAME", help="Say what each view answers to a name or an address, and why.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(interruptible(dns))
