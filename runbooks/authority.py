"""The CA's state: `phoenix authority backup | restore | root-offline | root-online FILE [--lab]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.dialogue import refuse
from phoenix.cli.execute import execute
from phoenix.cli.process import run_command

if TYPE_CHECKING:
    from phoenix.cli.request import Chain
    from phoenix.estate import Estate
    from phoenix.run import Stage, TaskFunction


def on_authority(task: TaskFunction) -> Chain:
    """A stage with one task on the CA's guest."""
    from phoenix.run import Stage, Step, guests_in
    from phoenix.tasks.hosts.stages import ACCESS

    return lambda _estate: (ACCESS, Stage("authority", (Step(task, guests_in("step_ca")),)))


def restoration(content: bytes) -> Chain:
    """The chain that restores the CA's guest and its state from a backup; it changes no other host."""
    from phoenix.run import Stage, Step, guests_in, hypervisors
    from phoenix.tasks.authority.backup import restore_state
    from phoenix.tasks.authority.service import init_ca
    from phoenix.tasks.hosts.guest import create_guest
    from phoenix.tasks.hosts.software import install_software
    from phoenix.tasks.hosts.stages import ACCESS
    from phoenix.tasks.hosts.storage import prepare_storage

    authority_guest = guests_in("step_ca")

    def chain(_estate: Estate) -> tuple[Stage, ...]:
        return (
            ACCESS,
            Stage("hypervisor", (Step(prepare_storage, hypervisors, for_guests=True),)),
            Stage("guests", (Step(create_guest, authority_guest),)),
            Stage("software", (Step(install_software, authority_guest),)),
            Stage("restoration", (Step(restore_state(content), authority_guest), Step(init_ca, authority_guest))),
        )

    return chain


def main(arguments: Sequence[str] | None = None) -> int:
    """Back up and restore the authority; take its root key offline and back online.

    Files are sealed with a passphrase (format: age), which is asked for, or read from the file that
    PHOENIX_PASSPHRASE_FILE names.
    """
    given = parser().parse_args(arguments)

    from phoenix.pki.sealed import SealError

    try:
        chain: Chain = given.act(given.file)
    except SealError as error:
        refuse(f"No host was changed: {error}")
    return execute(replace(options(given), targets=("step_ca",)), chain)


def backup(file: Path) -> Chain:
    """Write the CA's whole state into a new sealed file; the CA stops for the moment of the copy."""
    from phoenix.cli.passphrase import read_passphrase, refuse_existing
    from phoenix.tasks.authority.backup import export_state

    refuse_existing(file)
    return on_authority(export_state(file, read_passphrase(twice=True)))


def restore(file: Path) -> Chain:
    """Restore a lost state from a backup; create the guest if it is missing; never replace an existing state."""
    from phoenix.cli.passphrase import read_sealed

    return restoration(read_sealed(file))


def root_offline(file: Path) -> Chain:
    """Move the root's key from the CA into a sealed file, and prove that no copy remains."""
    from phoenix.cli.passphrase import read_passphrase
    from phoenix.tasks.authority.offline_root import take_root_offline

    return on_authority(take_root_offline(file, read_passphrase(twice=True)))


def root_online(file: Path) -> Chain:
    """Put the root's key back on the CA."""
    from phoenix.cli.passphrase import read_key
    from phoenix.tasks.authority.offline_root import bring_root_online

    return on_authority(bring_root_online(read_key(file)))


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("authority", description=main.__doc__)
    commands = made.add_subparsers(title="commands", required=True, dest="command")
    for act in (backup, restore, root_offline, root_online):
        command = commands.add_parser(act.__name__.replace("_", "-"), description=act.__doc__, help=act.__doc__)
        command.add_argument("file", metavar="FILE", type=Path, help="The sealed file, on this machine.")
        command.flag("--lab", "The CA of the embedded lab.")
        command.common("--inventory")
        command.set_defaults(act=act)
    return made


if __name__ == "__main__":
    sys.exit(run_command(main))
