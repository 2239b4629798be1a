"""The command line of a runbook: which of the common options it offers, and what a run is to know of those given."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from phoenix.cli.request import Options

MOST_WORKERS = 256


def _workers(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= MOST_WORKERS:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_WORKERS}")


COMMON: Mapping[str, Mapping[str, Any]] = {
    "--inventory": {"metavar": "DIR", "type": Path, "help": "The inventory."},
    "--target": {
        "metavar": "EXPR",
        "action": "append",
        "dest": "targets",
        "help": "Name, vmid, group, tag or key=value; again for more.",
    },
    "--dry-run": {"action": "store_true", "help": "Say what would change, and change nothing."},
    "--diff": {"action": "store_true", "help": "Show the differences themselves."},
    "--json": {"metavar": "FILE", "type": Path, "help": "Write the record of the run."},
    "--workers": {"metavar": "N", "type": _workers, "help": f"Hosts at the same time, 1 to {MOST_WORKERS}."},
}


class Arguments(ArgumentParser):
    """A parser that takes options by their whole names only; it says a description's first paragraph before them."""

    def __init__(self, *, description: str | None, **more: Any) -> None:
        first, _, rest = (description or "").partition("\n\n")
        super().__init__(description=first, epilog=rest, allow_abbrev=False, add_help=False, **more)
        self.add_argument("-h", "--help", action="help", help="Show this message and exit.")

    def common(self, *names: str, **more: Any) -> None:
        """Offer options that mean the same wherever they are offered."""
        for name in names:
            self.add_argument(name, **COMMON[name], **more)

    def flag(self, name: str, meaning: str) -> None:
        """Offer an option without a value."""
        self.add_argument(name, action="store_true", help=meaning)


def options(given: Namespace) -> Options:
    """What was asked for, as a run takes it; what a runbook does not offer stays as it is by default."""
    said = {one.name: getattr(given, one.name) for one in fields(Options) if hasattr(given, one.name)}
    return Options(**{**said, "targets": tuple(said.get("targets") or ())})
