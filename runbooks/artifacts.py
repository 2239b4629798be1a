"""Obtain the pinned programs that guests are given: step, step-ca and Traefik."""

from __future__ import annotations

import logging
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path

# The repository takes this folder's place on the path: its lab.py would hide the package lab.
sys.path[0] = str(Path(__file__).resolve().parents[1])

try:
    from rich.console import Console
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")
from rich.table import Table

from phoenix.artifacts.errors import ArtifactError
from phoenix.artifacts.obtain import obtain_all
from phoenix.artifacts.store import Artifact


def main() -> int:
    """Obtain all artifacts, and say what they are and which way they came."""
    parser = ArgumentParser(description=main.__doc__, allow_abbrev=False)
    parser.add_argument("--quiet", action="store_true", help="Print no table.")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it started, like Ctrl-C
    logging.basicConfig(level=logging.INFO, format="artifacts: %(message)s")
    try:
        found = obtain_all()
    except ArtifactError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130
    if not given.quiet:
        Console().print(_table(found))
    return 0


def _table(found: dict[str, Artifact]) -> Table:
    table = Table("program", "version", "MB", "packed", "SHA-256", "from", box=None)
    for artifact in found.values():
        sizes = (f"{size / 1e6:.0f}" for size in (artifact.size, artifact.packed.stat().st_size))
        table.add_row(artifact.name, artifact.version, *sizes, artifact.sha256[:16], artifact.source)
    return table


if __name__ == "__main__":
    sys.exit(main())
