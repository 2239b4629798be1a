"""Rotate keys of the CA: `phoenix rotate [--lab] --root | --intermediate | --provisioner`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.dialogue import confirm, refuse
from phoenix.cli.execute import execute
from phoenix.cli.process import run_command

if TYPE_CHECKING:
    from phoenix.estate import Estate
    from phoenix.pki.ca.rotation import RotationTarget
    from phoenix.run import Stage, TaskFunction
    from phoenix.run.selectors import AnyHost

KEYS = ("root", "intermediate", "provisioner")


def rotation(estate: Estate, rotated: RotationTarget, root_key: str | None) -> tuple[Stage, ...]:
    """The chain for a new root or intermediate: create it, distribute trust, use it, then remove the old one."""
    from phoenix.tasks.authority.rotation import settle_authority, switch_authority, withdraw_previous

    return (
        *announcement(estate, rotated, root_key),
        _authority("switch", switch_authority),
        *_reissue(),
        _authority("withdrawal", withdraw_previous),
        _trust("distrust"),
        _authority("settling", settle_authority),
        *_services_and_proof(),
    )


def announcement(_estate: Estate, rotated: RotationTarget, root_key: str | None) -> tuple[Stage, ...]:
    """The first half of a rotation: create the next signer and prove that every host trusts it."""
    from phoenix.run import Stage, Step, group
    from phoenix.tasks.authority.rotation import announce_next, prepare_next
    from phoenix.tasks.hosts.stages import ACCESS
    from phoenix.tasks.proof.dependence import check_trust

    return (
        ACCESS,
        _authority("next", prepare_next(rotated, root_key)),
        _authority("announcement", announce_next),
        _trust("trust"),
        Stage("trusted", (Step(check_trust, group("trusted_ca")),)),
    )


def way_back(_estate: Estate) -> tuple[Stage, ...]:
    """The chain that reverts a rotation, from any phase in which the old root is still trusted."""
    from phoenix.tasks.authority.rotation import remove_next, revert_authority, withdraw_next
    from phoenix.tasks.hosts.stages import ACCESS

    return (
        ACCESS,
        _authority("switch", revert_authority),
        _trust("trust"),
        *_reissue(),
        _authority("withdrawal", withdraw_next),
        _trust("distrust"),
        _authority("settling", remove_next),
        *_services_and_proof(),
    )


def provisioner_change(_estate: Estate) -> tuple[Stage, ...]:
    """The chain for a new key of one-time tokens; it reissues every leaf by token."""
    from phoenix.tasks.authority.provisioner import prepare_provisioner, settle_provisioner, switch_provisioner
    from phoenix.tasks.certificates.stages import holders_of_leaves, leaves, web_certificates
    from phoenix.tasks.hosts.stages import ACCESS

    return (
        ACCESS,
        _authority("next", prepare_provisioner),
        _authority("switch", switch_provisioner),
        *leaves(holders_of_leaves),
        web_certificates(),
        _authority("settling", settle_provisioner),
    )


def _authority(name: str, task: TaskFunction) -> Stage:
    """A stage with one task on the CA's guest."""
    from phoenix.run import Stage, Step, guests_in

    return Stage(name, (Step(task, guests_in("step_ca")),))


def _trust(name: str) -> Stage:
    """A stage that gives every trusting host the anchors that the CA publishes at that time."""
    from phoenix.run import Stage, Step, group
    from phoenix.tasks.trust.push import push_trust

    return Stage(name, (Step(push_trust, group("trusted_ca")),))


def _reissue() -> tuple[Stage, ...]:
    """Reissue everything with the current signer, and prove that no other signer is needed."""
    from phoenix.run import Stage, Step, guests_in
    from phoenix.tasks.certificates.stages import holders_of_leaves, leaves, web_certificates
    from phoenix.tasks.proof.dependence import check_independence
    from phoenix.tasks.routing.mesh_certificates import renew_mesh_certificates

    return (
        *leaves(holders_of_leaves),
        Stage("mesh", (Step(renew_mesh_certificates, guests_in("traefik")),)),
        web_certificates(),
        Stage("independence", (Step(check_independence, _dependents),)),
    )


def _dependents(estate: Estate) -> tuple[AnyHost, ...]:
    from phoenix.tasks.certificates.stages import holders_of_leaves

    meshes = (guest for guest in estate.guests if guest.has("traefik") and guest not in holders_of_leaves(estate))
    return (*estate.hypervisors, *holders_of_leaves(estate), *meshes)


def _services_and_proof() -> tuple[Stage, ...]:
    from phoenix.run import Stage, Step, guests_in, hypervisors
    from phoenix.tasks.proof.routes import prove_routes
    from phoenix.tasks.routing.traefik import configure_traefik
    from phoenix.tasks.workloads.portainer import register_agents

    services = (Step(configure_traefik, guests_in("traefik")), Step(register_agents, guests_in("portainer")))
    return Stage("services", services), Stage("proof", (Step(prove_routes, hypervisors),))


def main(arguments: Sequence[str] | None = None) -> int:
    """Replace a key of the authority without a gap: trust first, then use; the old key goes when no host needs it.

    After an interruption at any point, the same command resumes there.
    """
    given, key = _parse(arguments)
    if not given.yes:
        confirm(_question(key, back=given.back))
    if given.back or given.provisioner:
        return execute(options(given), way_back if given.back else provisioner_change)
    chain = announcement if given.announce else rotation
    rotated: RotationTarget = "root" if given.root else "intermediate"
    return execute(options(given), partial(chain, rotated=rotated, root_key=_root_key(given.root_key)))


def _root_key(file: Path | None) -> str | None:
    """Open the sealed file of the root's key; end the command if that fails."""
    from phoenix.cli.passphrase import read_key
    from phoenix.pki.sealed import SealError

    try:
        return read_key(file) if file else None
    except SealError as error:
        refuse(f"No host was changed: {error}")


def _parse(arguments: Sequence[str] | None) -> tuple[Namespace, str]:
    """Parse the arguments; return them and the name of the key that they select."""
    made = parser()
    given = made.parse_args(arguments)
    chosen = [name for name in KEYS if getattr(given, name)]
    surplus = given.provisioner and (given.back or given.announce or given.root_key)
    if len(chosen) != 1 or surplus or (given.back and given.announce):
        made.error("say one of --root, --intermediate and --provisioner, and at most one of --announce and --back")
    return given, chosen[0]


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("rotate", description=main.__doc__)
    made.flag("--root", "Replace the root and its intermediate.")
    made.flag("--intermediate", "Replace the intermediate; keep the root.")
    made.flag("--provisioner", "Replace the key for one-time tokens.")
    made.flag("--back", "Revert a rotation that is under way.")
    made.flag("--announce", "Stop when all hosts trust the next signer, to distribute it to other clients.")
    made.add_argument("--root-key", metavar="FILE", type=Path, help="The root's key, if it was taken offline.")
    made.flag("--yes", "Yes, rotate.")
    made.flag("--lab", "Rotate in the embedded lab.")
    made.common("--inventory", "--json")
    return made


def _question(key: str, *, back: bool) -> str:
    if back:
        return f"Revert the rotation of the {key} and reissue its certificates?"
    return f"Replace the CA's {key} and reissue every certificate that it signed?"


if __name__ == "__main__":
    sys.exit(run_command(main))
