"""The command line of a runbook: a parser with the options that several runbooks share, and the `Options` of a run."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from phoenix.cli.invocation import program
from phoenix.cli.request import Options

MAX_WORKERS = 256


def _workers(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= MAX_WORKERS:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_WORKERS}")


COMMON: Mapping[str, Mapping[str, Any]] = {
    "--inventory": {"metavar": "DIR", "type": Path, "help": "The inventory."},
    "--target": {
        "metavar": "EXPR",
        "action": "append",
        "dest": "targets",
        "help": "Name, vmid, group, tag or key=value; repeatable.",
    },
    "--dry-run": {"action": "store_true", "help": "List the changes without making them."},
    "--diff": {"action": "store_true", "help": "Show the differences of files."},
    "--json": {"metavar": "FILE", "type": Path, "help": "Write the record of the run."},
    "--workers": {"metavar": "N", "type": _workers, "help": f"Hosts at the same time, 1 to {MAX_WORKERS}."},
}


class Arguments(ArgumentParser):
    """The parser of a command. It accepts no abbreviated option; a description's first paragraph precedes the options.

    `command` is the name of the command; a subcommand's `prog` follows from its parent.
    """

    def __init__(self, command: str | None = None, *, description: str | None, **more: Any) -> None:
        first, _, rest = (description or "").partition("\n\n")
        if command:
            more["prog"] = program(command)
        super().__init__(description=first, epilog=rest, allow_abbrev=False, add_help=False, **more)
        self.add_argument("-h", "--help", action="help", help="Show this message and exit.")

    def common(self, *names: str, **more: Any) -> None:
        """Add options that are the same in every command."""
        for name in names:
            self.add_argument(name, **COMMON[name], **more)

    def flag(self, name: str, meaning: str) -> None:
        """Add an option without a value."""
        self.add_argument(name, action="store_true", help=meaning)


def options(arguments: Namespace) -> Options:
    """Build the options of a run from parsed arguments; options that a runbook lacks keep their defaults."""
    values = {one.name: getattr(arguments, one.name) for one in fields(Options) if hasattr(arguments, one.name)}
    lists = {name: tuple(values.get(name) or ()) for name in ("targets", "adopt")}
    return Options(**{**values, **lists})
