"""Write a shell's completion of the command `phoenix`: `phoenix completion bash | zsh`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

try:
    from phoenix.cli.arguments import Arguments
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.process import run_command
from phoenix.runbooks.__main__ import COMMANDS, runbook

SHELLS = ("bash", "zsh")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a shell's completion of the command `phoenix` to standard output.

    bash: save it as ~/.local/share/bash-completion/completions/phoenix. zsh: save it as _phoenix in a directory of
    $fpath.
    """
    shell = parser().parse_args(arguments).shell
    import shtab

    print(shtab.complete(whole_parser(), shell=shell))
    return 0


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("completion", description=main.__doc__)
    made.add_argument("shell", choices=SHELLS, help="The shell.")
    return made


def whole_parser() -> ArgumentParser:
    """Make one parser of all commands with all their options."""
    whole = Arguments(description=None, prog="phoenix")
    commands = whole.add_subparsers()
    for name, sentence in COMMANDS.items():
        own = runbook(name).parser()
        # Both parsers have --help: that of the subcommand replaces the other.
        commands.add_parser(name, help=sentence, description=None, parents=[own], conflict_handler="resolve")
    _mark_paths(whole)
    return whole


def _mark_paths(parser: ArgumentParser) -> None:
    """Mark each argument that is a path for shtab, in subcommands as well."""
    import shtab

    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to list them
        if action.type is Path:
            action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
        elif isinstance(action.choices, dict):
            for subparser in action.choices.values():
                _mark_paths(subparser)


if __name__ == "__main__":
    sys.exit(run_command(main))
