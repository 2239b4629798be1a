"""The embedded lab: start it, stop it, look at it, and run commands inside its machines."""

from __future__ import annotations

import sys
import time
from argparse import REMAINDER, ArgumentParser, Namespace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# This file's own directory must not answer for the package `lab`.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

from phoenix.lab.errors import LabError
from phoenix.lab.machine.execute import UnknownHostError
from phoenix.lab.machine.execute import execute as run
from phoenix.lab.places import LabPlaces

ROOT = Path(__file__).resolve().parents[1]


def _say(message: str) -> None:
    print(f"lab: {message}", file=sys.stderr, flush=True)


def up(given: Namespace) -> int:
    """Start the lab, building its image the first time; on a lab that is up, change nothing."""
    try:
        from phoenix.lab.start import up as start  # noqa: PLC0415 - late, so that other commands are quick
    except ModuleNotFoundError:
        sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

    began = time.monotonic()
    places = LabPlaces.of_environment()
    if start(places, given.inventory, _say):
        _say(f"up in {time.monotonic() - began:.1f} s; the controller's access is in {places.access}")
    else:
        _say("is up already; nothing to do")
    return 0


def down(_given: Namespace) -> int:
    """Stop the lab and remove its state: containers, processes, mounts, files. The cached image stays."""
    from phoenix.lab.stop import down as stop  # noqa: PLC0415 - late, so that other commands are quick

    began = time.monotonic()
    if stop(LabPlaces.of_environment(), _say):
        _say(f"down in {time.monotonic() - began:.1f} s; nothing of it is left")
    else:
        _say("is not there; nothing to do")
    return 0


def status(_given: Namespace) -> int:
    """Show what runs; the exit status is 0 if everything does, else 1."""
    from phoenix.lab.parts import parts  # noqa: PLC0415 - late, so that other commands are quick

    found = parts(LabPlaces.of_environment())
    for name, runs in found:
        print(f"{name:<14}{'runs' if runs else 'does not run'}")
    return 0 if all(runs for _, runs in found) else 1


def execute(given: Namespace) -> int:
    """Run a command inside a machine of the lab; streams and exit status pass through unchanged."""
    if not given.words:
        _say("say which command, after `--`")
        return 2
    return run(LabPlaces.of_environment(), given.host, given.words)


COMMANDS = {"up": up, "down": down, "status": status, "exec": execute}


def _parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(title="commands", required=True, dest="command")
    made = {
        name: commands.add_parser(name, description=act.__doc__, help=act.__doc__, allow_abbrev=False)
        for name, act in COMMANDS.items()
    }
    played = "The estate whose external workloads the lab plays."
    known = "pve, client, internet, operator, or a guest's inventory name."
    made["up"].add_argument("--inventory", metavar="DIR", type=Path, default=ROOT / "inventory", help=played)
    made["exec"].add_argument("host", metavar="HOST", help=known)
    made["exec"].add_argument("words", metavar="COMMAND", nargs=REMAINDER, help="The command, after `--`.")
    return parser


def main(words: list[str]) -> int:
    """Run the command line; a lab's refusal is a message and not a traceback."""
    match words:
        case ["exec", host, "--", *inside]:  # the command's own words are no parser's business
            given = Namespace(command="exec", host=host, words=inside)
        case _:
            given = _parser().parse_args(words)
    try:
        return COMMANDS[given.command](given)
    except LabError as error:
        _say(str(error))
        return 2 if isinstance(error, UnknownHostError) else 1
    except KeyboardInterrupt:
        _say("stopped by Ctrl-C")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
