"""Obtain the pinned programs that guests receive, step, step-ca and Traefik: `phoenix artifacts [--quiet]`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

try:
    from phoenix.cli.arguments import Arguments
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.process import run_command
from phoenix.cli.request import GOOD, HOST_FAILED, INTERRUPTED

if TYPE_CHECKING:
    from rich.table import Table

    from phoenix.artifacts.store import Artifact


def main(arguments: Sequence[str] | None = None) -> int:
    """Obtain all pinned programs; show the version and source of each."""
    given = parser().parse_args(arguments)

    import logging

    from rich.console import Console

    from phoenix.artifacts.errors import ArtifactError
    from phoenix.artifacts.obtain import obtain_all

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it started, like Ctrl-C
    logging.basicConfig(level=logging.INFO, format="artifacts: %(message)s")
    try:
        artifacts = obtain_all()
    except ArtifactError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        return HOST_FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    if not given.quiet:
        Console().print(_table(artifacts))
    return GOOD


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("artifacts", description=main.__doc__)
    made.flag("--quiet", "Print no table.")
    return made


def _table(artifacts: dict[str, Artifact]) -> Table:
    from rich.table import Table

    table = Table("program", "version", "MB", "packed", "SHA-256", "from", box=None)
    for artifact in artifacts.values():
        sizes = (f"{size / 1e6:.0f}" for size in (artifact.size, artifact.packed.stat().st_size))
        table.add_row(artifact.name, artifact.version, *sizes, artifact.sha256[:16], artifact.source)
    return table


if __name__ == "__main__":
    sys.exit(run_command(main))
