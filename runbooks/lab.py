"""The embedded lab: `phoenix lab up | down | status | exec HOST -- COMMAND...`."""

from __future__ import annotations

import sys
import time
from argparse import REMAINDER, Namespace
from collections.abc import Sequence
from pathlib import Path

try:
    from phoenix.cli.arguments import Arguments
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.dialogue import refuse
from phoenix.cli.process import run_command
from phoenix.cli.request import GOOD, HOST_FAILED, INTERRUPTED, WRONG_INPUT


def _say(message: str) -> None:
    print(f"lab: {message}", file=sys.stderr, flush=True)


def up(given: Namespace) -> int:
    """Start the lab, building its image the first time; change nothing in a running lab."""
    from phoenix.cli.config import config_file, default_inventory
    from phoenix.errors import ConfigError
    from phoenix.lab.places import LabPlaces
    from phoenix.lab.start import up as start

    began = time.monotonic()
    places = LabPlaces.of_environment()
    try:
        inventory = given.inventory or default_inventory()
    except ConfigError as error:
        refuse(f"lab: {config_file()}: {error}")
    if start(places, inventory, _say):
        _say(f"up in {time.monotonic() - began:.1f} s; the controller's access is in {places.access}")
    else:
        _say("is up already; nothing to do")
    return GOOD


def down(_given: Namespace) -> int:
    """Stop the lab and remove its state: containers, processes, mounts, files. The cached image stays."""
    from phoenix.lab.places import LabPlaces
    from phoenix.lab.stop import down as stop

    began = time.monotonic()
    if stop(LabPlaces.of_environment(), _say):
        _say(f"down in {time.monotonic() - began:.1f} s; no process, mount or bridge is left")
    else:
        _say("is not there; nothing to do")
    return GOOD


def status(_given: Namespace) -> int:
    """Show which parts run; exit status 0 if all do, else 1."""
    from phoenix.lab.places import LabPlaces
    from phoenix.lab.status import parts

    states = parts(LabPlaces.of_environment())
    for name, runs in states:
        print(f"{name:<14}{'runs' if runs else 'does not run'}")
    return GOOD if all(runs for _, runs in states) else HOST_FAILED


def execute(given: Namespace) -> int:
    """Run a command inside a machine of the lab; streams and exit status pass through unchanged."""
    from phoenix.lab.machine.execute import UnknownHostError
    from phoenix.lab.machine.execute import execute as run
    from phoenix.lab.places import LabPlaces

    if not given.words:
        _say("say which command, after `--`")
        return WRONG_INPUT
    try:
        return run(LabPlaces.of_environment(), given.host, given.words)
    except UnknownHostError as error:
        _say(str(error))
        return WRONG_INPUT


COMMANDS = {"up": up, "down": down, "status": status, "exec": execute}


def main(arguments: Sequence[str] | None = None) -> int:
    """Start, stop and inspect the embedded lab; run commands inside its machines."""
    match words := list(sys.argv[1:] if arguments is None else arguments):
        case ["exec", host, "--", *inside]:  # no parser reads the command's own words
            given = Namespace(command="exec", host=host, words=inside)
        case _:
            given = parser().parse_args(words)

    from phoenix.lab.errors import LabError

    try:
        return COMMANDS[given.command](given)
    except LabError as error:
        _say(str(error))
        return HOST_FAILED
    except KeyboardInterrupt:
        _say("stopped by Ctrl-C")
        return INTERRUPTED


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("lab", description=main.__doc__)
    commands = made.add_subparsers(title="commands", required=True, dest="command")
    subparsers = {
        name: commands.add_parser(name, description=act.__doc__, help=act.__doc__) for name, act in COMMANDS.items()
    }
    played = "The estate whose external workloads the lab runs as stand-ins."
    known = "pve, client, internet, operator, or a guest's inventory name."
    subparsers["up"].add_argument("--inventory", metavar="DIR", type=Path, help=played)
    subparsers["exec"].add_argument("host", metavar="HOST", help=known)
    subparsers["exec"].add_argument("words", metavar="COMMAND", nargs=REMAINDER, help="The command, after `--`.")
    return made


if __name__ == "__main__":
    sys.exit(run_command(main))
