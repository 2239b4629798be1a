"""Rotate keys of the authority: `python runbooks/rotate.py [--lab] --root | --intermediate | --provisioner`."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.command import execute
from phoenix.cli.dialogue import confirm, interruptible, refuse
from phoenix.cli.passphrase import read_key
from phoenix.pki.sealed import SealError
from phoenix.tasks.stages import announcement, provisioner_change, rotation, way_back

NAMES = ("root", "intermediate", "provisioner")


def rotate() -> int:
    """Replace a key of the authority without a gap: trust first, then use, and the old one goes when nothing needs it.

    Stopped or killed at any point, the same command goes on from there.
    """
    given, what = _given()
    if not given.yes:
        confirm(_question(what, back=given.back))
    if given.back or given.provisioner:
        return execute(options(given), way_back if given.back else provisioner_change)
    try:
        key = read_key(given.root_key) if given.root_key else None
    except SealError as error:
        refuse(f"Nothing was touched: {error}")
    chain = announcement if given.announce else rotation
    return execute(options(given), chain("root" if given.root else "intermediate", key))


def _given() -> tuple[Namespace, str]:
    """What was asked for, and which of the keys it is about."""
    parser = Arguments(description=rotate.__doc__)
    parser.flag("--root", "A new root, and an intermediate of it.")
    parser.flag("--intermediate", "A new intermediate of the same root.")
    parser.flag("--provisioner", "A new key for one-time tokens.")
    parser.flag("--back", "Take back a rotation that has begun.")
    parser.flag("--announce", "Stop when all hosts trust what comes: others can be given it, too.")
    parser.add_argument("--root-key", metavar="FILE", type=Path, help="The root's key, if it was taken offline.")
    parser.flag("--yes", "Yes, rotate.")
    parser.flag("--lab", "Rotate in the embedded lab.")
    parser.common("--inventory", "--json")
    given = parser.parse_args()
    chosen = [name for name in NAMES if getattr(given, name)]
    surplus = given.provisioner and (given.back or given.announce or given.root_key)
    if len(chosen) != 1 or surplus or (given.back and given.announce):
        parser.error("say one of --root, --intermediate and --provisioner, and at most one of --announce and --back")
    return given, chosen[0]


def _question(what: str, *, back: bool) -> str:
    if back:
        return f"Take back the rotation of the {what}, and issue again what it has issued?"
    return f"Replace the authority's {what}, and issue every certificate anew that it signed?"


if __name__ == "__main__":
    sys.exit(interruptible(rotate))
