"""The authority's state: `python runbooks/authority.py backup | restore | root-offline | root-online FILE [--lab]`."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.command import execute
from phoenix.cli.dialogue import interruptible, refuse
from phoenix.cli.passphrase import read_key, read_passphrase, read_sealed, refuse_existing
from phoenix.cli.request import Chain
from phoenix.pki.sealed import SealError
from phoenix.tasks.authority.backup import export_state
from phoenix.tasks.authority.offline_root import bring_root_online, take_root_offline
from phoenix.tasks.stages import on_authority, restoration


def authority() -> int:
    """Keep what the authority cannot do without.

    Files are sealed with a passphrase (format: age), which is asked for, or read from the file that
    PHOENIX_PASSPHRASE_FILE names.
    """
    given = _given()
    try:
        chain: Chain = given.act(given.file)
    except SealError as error:
        refuse(f"Nothing was touched: {error}")
    return execute(replace(options(given), targets=("step_ca",)), chain)


def backup(file: Path) -> Chain:
    """Write the authority's whole state into a new sealed file; it stands still for the moment of the copy."""
    refuse_existing(file)
    return on_authority(export_state(file, read_passphrase(twice=True)))


def restore(file: Path) -> Chain:
    """Bring back a lost state from a backup; the guest is made if it is gone, and a state that is there is kept."""
    return restoration(read_sealed(file))


def root_offline(file: Path) -> Chain:
    """Take the root's key off the authority into a sealed file, and prove that no copy is left."""
    return on_authority(take_root_offline(file, read_passphrase(twice=True)))


def root_online(file: Path) -> Chain:
    """Put the root's key back."""
    return on_authority(bring_root_online(read_key(file)))


def _given() -> Namespace:
    parser = Arguments(description=authority.__doc__)
    commands = parser.add_subparsers(title="commands", required=True, dest="command")
    for act in (backup, restore, root_offline, root_online):
        command = commands.add_parser(act.__name__.replace("_", "-"), description=act.__doc__, help=act.__doc__)
        command.add_argument("file", metavar="FILE", type=Path, help="The sealed file, on this machine.")
        command.flag("--lab", "The authority of the embedded lab.")
        command.common("--inventory")
        command.set_defaults(act=act)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(interruptible(authority))
