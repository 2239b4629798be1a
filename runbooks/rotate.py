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
from phoenix.cli.request import Chain
from phoenix.estate import Estate
from phoenix.pki.ca.rotation import RotationTarget
from phoenix.pki.sealed import SealError
from phoenix.run import Stage, Step, group, guests_in, hypervisors
from phoenix.run.selectors import AnyHost
from phoenix.tasks.authority.provisioner import prepare_provisioner, settle_provisioner, switch_provisioner
from phoenix.tasks.authority.rotation import (
    announce_next,
    prepare_next,
    remove_next,
    revert_authority,
    settle_authority,
    switch_authority,
    withdraw_next,
    withdraw_previous,
)
from phoenix.tasks.certificates.stages import holders_of_leaves, leaves, web_certificates
from phoenix.tasks.hosts.stages import PREFLIGHT
from phoenix.tasks.proof.dependence import check_independence, check_trust
from phoenix.tasks.proof.routes import prove_routes
from phoenix.tasks.routing.mesh_certificates import renew_mesh_certificates
from phoenix.tasks.routing.traefik import configure_traefik
from phoenix.tasks.trust.push import push_trust
from phoenix.tasks.workloads.portainer import register_agents

NAMES = ("root", "intermediate", "provisioner")


AUTHORITY = guests_in("step_ca")
TRUSTING = group("trusted_ca")


def rotation(rotated: RotationTarget, root_key: str | None) -> Chain:
    """A new root or intermediate: created, trusted everywhere, then in use; only then is the old one removed."""
    return lambda estate: (
        *announcement(rotated, root_key)(estate),
        Stage("switch", (Step(switch_authority, AUTHORITY),)),
        *_reissue(),
        Stage("withdrawal", (Step(withdraw_previous, AUTHORITY),)),
        Stage("distrust", (Step(push_trust, TRUSTING),)),
        Stage("settling", (Step(settle_authority, AUTHORITY),)),
        *_services_and_proof(),
    )


def announcement(rotated: RotationTarget, root_key: str | None) -> Chain:
    """The first half of a rotation: create the next signer, and prove that every host trusts it."""
    return lambda _estate: (
        PREFLIGHT,
        Stage("next", (Step(prepare_next(rotated, root_key), AUTHORITY),)),
        Stage("announcement", (Step(announce_next, AUTHORITY),)),
        Stage("trust", (Step(push_trust, TRUSTING),)),
        Stage("trusted", (Step(check_trust, TRUSTING),)),
    )


def way_back(_estate: Estate) -> tuple[Stage, ...]:
    """The rotation in the other direction, from any phase in which the old root is still trusted."""
    return (
        PREFLIGHT,
        Stage("switch", (Step(revert_authority, AUTHORITY),)),
        Stage("trust", (Step(push_trust, TRUSTING),)),
        *_reissue(),
        Stage("withdrawal", (Step(withdraw_next, AUTHORITY),)),
        Stage("distrust", (Step(push_trust, TRUSTING),)),
        Stage("settling", (Step(remove_next, AUTHORITY),)),
        *_services_and_proof(),
    )


def provisioner_change(_estate: Estate) -> tuple[Stage, ...]:
    """A new key for one-time tokens; every leaf by token is issued again with it."""
    return (
        PREFLIGHT,
        Stage("next", (Step(prepare_provisioner, AUTHORITY),)),
        Stage("switch", (Step(switch_provisioner, AUTHORITY),)),
        *leaves(holders_of_leaves),
        web_certificates(),
        Stage("settling", (Step(settle_provisioner, AUTHORITY),)),
    )


def _reissue() -> tuple[Stage, ...]:
    """Have everything signed by the current signer, and prove that no other signer is needed."""
    return (
        *leaves(holders_of_leaves),
        Stage("mesh", (Step(renew_mesh_certificates, guests_in("traefik")),)),
        web_certificates(),
        Stage("independence", (Step(check_independence, _dependents),)),
    )


def _dependents(estate: Estate) -> tuple[AnyHost, ...]:
    meshes = (guest for guest in estate.guests if guest.has("traefik") and guest not in holders_of_leaves(estate))
    return (*estate.hypervisors, *holders_of_leaves(estate), *meshes)


def _services_and_proof() -> tuple[Stage, ...]:
    services = (Step(configure_traefik, guests_in("traefik")), Step(register_agents, guests_in("portainer")))
    return Stage("services", services), Stage("proof", (Step(prove_routes, hypervisors),))


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
