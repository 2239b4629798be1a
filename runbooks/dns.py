"""Say which names there are, and why: `python runbooks/dns.py [--inventory DIR] [--format FORMAT] [--why NAME]`."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

try:
    from phoenix.run.arguments import Arguments
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.derive.answers import answer, is_outside
from phoenix.derive.names import records
from phoenix.estate import InventoryError, load_estate
from phoenix.estate.sources import read_sources
from phoenix.report.names import as_json, as_table, why
from phoenix.run.config import usual_inventory
from phoenix.run.dialogue import interruptible, refuse
from phoenix.run.request import GOOD

NO_SUCH_NAME = 1


def dns() -> int:
    """Say what each view of the estate's names answers, each with the line of the inventory; no server is asked.

    The LAN view is what machines outside the estate see, the guest view what guests and hypervisors see. A question
    gives status 0, or 1 for a name of the zones that does not exist.
    """
    given = _given()
    try:
        folder = _folder(given.inventory or usual_inventory())
        estate, sources = load_estate(folder), read_sources(folder)
    except InventoryError as error:
        refuse(f"the inventory cannot be used, {len(error.problems)} to correct:\n{error}")
    if given.why:
        found = answer(estate, given.why)
        print(why(found, estate, sources), end="")
        return GOOD if found.record or is_outside(estate, found) else NO_SUCH_NAME
    print({"table": as_table, "json": as_json}[given.format](records(estate), sources), end="")
    return GOOD


def _folder(given: Path) -> Path:
    """The inventory as seen from here: its lines are shown with it."""
    here = Path(os.path.relpath(given))
    return given if here.parts[:1] == ("..",) else here


def _given() -> Namespace:
    parser = Arguments(description=dns.__doc__)
    parser.common("--inventory")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--format", choices=("table", "json"), default="table", help="How the names are written.")
    asked.add_argument("--why", metavar="NAME", help="Say what each view answers to a name, and why.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(interruptible(dns))
