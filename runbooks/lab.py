"""The embedded lab: start it, stop it, look at it, and run commands inside its machines."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# This file's own directory must not answer for the package `lab`.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

from lab.errors import LabError
from lab.execute import UnknownHostError
from lab.execute import execute as run
from lab.places import Places


def _say(message: str) -> None:
    print(f"lab: {message}", file=sys.stderr, flush=True)


def _refused(error: LabError) -> int:
    _say(str(error))
    return 2 if isinstance(error, UnknownHostError) else 1


def _run_inside(host: str, command: list[str]) -> int:
    try:
        return run(Places.of_environment(), host, command)
    except LabError as error:
        return _refused(error)


# `exec` is called often, by tests too, and importing typer takes longer than all the rest of it.
match sys.argv[1:]:
    case ["exec", host, "--", _, *_] if __name__ == "__main__" and not host.startswith("-"):
        sys.exit(_run_inside(host, sys.argv[4:]))

try:
    import typer
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

ROOT = Path(__file__).resolve().parents[1]
app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def up(
    inventory: Annotated[Path, typer.Option(help="The estate whose external workloads the lab plays.")] = ROOT
    / "inventory",
) -> None:
    """Start the lab, building its image the first time; on a lab that is up, change nothing."""
    from lab.start import up as start  # noqa: PLC0415 - late, so that --help is quick

    began = time.monotonic()
    places = Places.of_environment()
    if start(places, inventory, _say):
        _say(f"up in {time.monotonic() - began:.1f} s; the controller's access is in {places.access}")
    else:
        _say("is up already; nothing to do")


@app.command()
def down() -> None:
    """Stop the lab and remove its state: containers, processes, mounts, files. The cached image stays."""
    from lab.stop import down as stop  # noqa: PLC0415 - late, so that --help is quick

    began = time.monotonic()
    if stop(Places.of_environment(), _say):
        _say(f"down in {time.monotonic() - began:.1f} s; nothing of it is left")
    else:
        _say("is not there; nothing to do")


@app.command()
def status() -> None:
    """Show what runs; the exit status is 0 if everything does, else 1."""
    from lab.parts import parts  # noqa: PLC0415 - late, so that --help is quick

    found = parts(Places.of_environment())
    for name, runs in found:
        print(f"{name:<14}{'runs' if runs else 'does not run'}")
    raise typer.Exit(0 if all(runs for _, runs in found) else 1)


@app.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def execute(
    host: Annotated[str, typer.Argument(help="pve, client, internet, operator, or a guest's inventory name.")],
    command: Annotated[list[str], typer.Argument(help="The command, after `--`.")],
) -> None:
    """Run a command inside a machine of the lab; streams and exit status pass through unchanged."""
    words = command[1:] if command[0] == "--" else command
    raise typer.Exit(_run_inside(host, words))


def main() -> None:
    """Run the command line; a lab's refusal is a message and not a traceback."""
    try:
        app()
    except LabError as error:
        sys.exit(_refused(error))


if __name__ == "__main__":
    main()
