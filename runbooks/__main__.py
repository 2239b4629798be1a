"""The command `phoenix`: every runbook is a subcommand, imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

import phoenix
from phoenix.cli.arguments import Arguments
from phoenix.cli.process import run_command

COMMANDS: Mapping[str, str] = {
    "deploy": "Deploy the estate, or a part of it.",
    "destroy": "Destroy guests; keep their persistent data.",
    "trust": "Distribute the CA's root certificates to every trust store.",
    "rotate": "Replace a key of the CA with an overlap.",
    "revoke": "Revoke a certificate and issue a replacement.",
    "authority": "Back up and restore the CA; take its root key offline.",
    "audit": "List every certificate and private key on every host.",
    "flows": "Show which host may connect to which, and why.",
    "dns": "Show every name, its answers, and why.",
    "matrix": "Open real connections between all hosts and compare each with the firewall model.",
    "artifacts": "Obtain the programs that guests receive: step, step-ca and Traefik.",
    "lab": "Start and stop the embedded lab, and run commands in it.",
    "completion": "Write a shell's completion of this command.",
}
"""Each command with its sentence; the module is `phoenix.runbooks.NAME`."""


class Runbook(Protocol):
    """The module of a command."""

    def parser(self) -> Arguments:
        """Make the command's parser."""

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run the command; return its exit status."""


def runbook(name: str) -> Runbook:
    """Import the module of a command."""
    return cast("Runbook", import_module(f"phoenix.runbooks.{name}"))


def parser() -> Arguments:
    """Make the parser of what precedes a command."""
    made = Arguments(description=phoenix.__doc__, prog="phoenix")
    made.add_argument("--version", action="version", version=f"phoenix {phoenix.__version__}", help="Show the version.")
    commands = made.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="command")
    for name, sentence in COMMANDS.items():
        commands.add_parser(name, help=sentence, description=sentence)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; return its exit status."""
    return run_command(_main, sys.argv[1:] if arguments is None else arguments)


def _main(words: Sequence[str] | None) -> int:
    first, *others = words or ("",)
    name = first if first in COMMANDS else parser().parse_args(words).command
    return runbook(name).main(others)


if __name__ == "__main__":
    sys.exit(main())
