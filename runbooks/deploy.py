"""Deploy the estate, or a part of it: `phoenix deploy [--lab] [--target EXPR]... [--dry-run] [--diff]`.

The chain imports its tasks when it is called: after the parser, while the connections are made.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.dialogue import ask, confirm, refuse
from phoenix.cli.execute import execute
from phoenix.cli.invocation import command
from phoenix.cli.process import run_command
from phoenix.cli.request import GOOD, HOST_FAILED

if TYPE_CHECKING:
    from phoenix.cli.request import Options
    from phoenix.estate import Estate
    from phoenix.run import Stage, Step
    from phoenix.run.record import RunRecord


def deployment(estate: Estate, *, reset: bool = False) -> tuple[Stage, ...]:
    """Everything from an empty hypervisor to names that answer; any stage can be the first with something to do.

    With `reset` the authority's state is given up first, and everything that depends on it is made again.
    """
    from phoenix.run import Stage, Step, everyone, guests, guests_in, hypervisors, observation
    from phoenix.tasks.authority.reset import reset_authority
    from phoenix.tasks.authority.service import ca_resources, init_ca
    from phoenix.tasks.certificates.stages import leaves, web_certificates
    from phoenix.tasks.firewall.apply import apply_firewall, open_what_is_declared, prepare_cluster_sets
    from phoenix.tasks.hosts.guest import create_guest
    from phoenix.tasks.hosts.removal import remove_undeclared
    from phoenix.tasks.hosts.software import install_software
    from phoenix.tasks.hosts.stages import PREFLIGHT, template_levels
    from phoenix.tasks.hosts.storage import prepare_storage
    from phoenix.tasks.routing.dns import keep_resolver, serve_dns, set_node_resolver
    from phoenix.tasks.routing.nginx import configure_nginx
    from phoenix.tasks.routing.traefik import configure_traefik
    from phoenix.tasks.trust.push import push_trust
    from phoenix.tasks.workloads.docker import deploy_stacks, mount_storage
    from phoenix.tasks.workloads.portainer import register_agents

    resets = (Step(reset_authority, guests_in("step_ca")),) if reset else ()
    later = (
        Stage("removal", (Step(remove_undeclared, hypervisors),)),
        Stage(
            "hypervisor",
            (
                Step(install_software, hypervisors),
                Step(prepare_storage, hypervisors, for_guests=True),
                Step(serve_dns, hypervisors),
                Step(set_node_resolver, hypervisors),
                Step(prepare_cluster_sets, hypervisors, for_guests=True),
            ),
        ),
        *(Stage("templates", (Step(create_guest, level),)) for level in template_levels(estate)),
        Stage("guests", (Step(create_guest, guests),)),
        Stage(
            "software",
            (
                Step(keep_resolver, guests),
                Step(install_software, guests),
                *resets,
                Step(init_ca, guests_in("step_ca"), compares=ca_resources),
            ),
        ),
        Stage("trust", (Step(push_trust, everyone),)),
        Stage("storage", (Step(mount_storage, guests),)),
        *leaves(guests),
        Stage(
            "services",
            (
                Step(configure_traefik, guests_in("traefik")),
                Step(deploy_stacks, guests_in("docker")),
                Step(configure_nginx, guests_in("nginx", "portainer_agent")),
            ),
        ),
        Stage("portainer", (Step(register_agents, guests_in("portainer")),)),
        Stage("firewall", (Step(apply_firewall, hypervisors, for_guests=True),)),
        Stage("proof", (proof(),)),
        web_certificates(),
    )
    way_in = Stage("way in", (Step(open_what_is_declared, hypervisors, for_guests=True),))
    return (PREFLIGHT, way_in, observation(later), *later)


def proof() -> Step:
    """Request the targets' routes through the edge and at the mesh; the closing lines depend on it."""
    from phoenix.run import Step, hypervisors
    from phoenix.tasks.proof.routes import prove_routes

    return Step(prove_routes, hypervisors, for_guests=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring hypervisor, guests, CA, trust, certificates, services and firewall to the declared state."""
    made = parser()
    given = made.parse_args(arguments)
    if given.reset_ca and given.targets:
        made.error("a reset concerns every host: leave out --target")
    if given.prune and given.targets:
        made.error("--prune concerns the whole estate: leave out --target")
    chosen = options(given)
    if given.prune:
        status, pruned = _prunable(chosen)
        if status != GOOD:
            return status
        _confirm(pruned, asked=not (given.yes or given.dry_run))
        chosen = replace(chosen, pruned=frozenset(pruned))
    chain = partial(_resetting, asked=not (given.yes or given.dry_run)) if given.reset_ca else deployment
    return execute(chosen, chain, partial(_closing, lab=given.lab))


def parser() -> Arguments:
    """Make the command's parser."""
    made = Arguments("deploy", description=main.__doc__)
    made.flag("--lab", "Deploy to the embedded lab.")
    made.common("--inventory", "--target", "--dry-run", "--diff", "--json")
    made.add_argument(
        "--adopt",
        metavar="EXPR",
        action="append",
        help="Take over guests of another owner, as a plan shows; repeatable.",
    )
    made.flag("--prune", "Remove guests that the inventory no longer declares; their persistent data stays.")
    made.flag("--exit-code", "End with status 2 if there are changes, with 0 if there are none.")
    made.flag("--no-restart", "Restart no guest; settings that need it wait, and are listed.")
    made.flag("--reset-ca", "Archive the CA's state and create a new CA.")
    made.flag("--yes", "Confirm a reset or a removal without a question.")
    made.common("--workers")
    return made


def _resetting(estate: Estate, *, asked: bool) -> tuple[Stage, ...]:
    """Make the chain of a deployment with a reset, which the operator must confirm by the zone's name."""
    warning = (
        f"This creates a new root for {estate.zone}; clients that trust the current root must receive the new one."
    )
    if asked and ask(f"{warning} Type the zone to continue") != estate.zone:
        refuse("That is not the zone. No host was changed.")
    return deployment(estate, reset=True)


def _prunable(chosen: Options) -> tuple[int, dict[int, str]]:
    """Find the guests that are no longer declared: the exit status of the search, and what each is called, by vmid."""
    from phoenix.run import Stage, Step, hypervisors
    from phoenix.tasks.hosts.preflight import check_access
    from phoenix.tasks.hosts.removal import UndeclaredGuests

    found = UndeclaredGuests()
    search = Stage("search", (Step(check_access, hypervisors), Step(found.find_undeclared, hypervisors)))
    quiet = replace(chosen, dry_run=True, json=None)
    return execute(quiet, lambda _estate: (search,), report=_searched, programs=False), found.titles


def _searched(_estate: Estate, _targets: frozenset[str], record: RunRecord) -> int:
    return HOST_FAILED if record.failed else GOOD


def _confirm(pruned: dict[int, str], *, asked: bool) -> None:
    """Let the operator confirm the removal of the guests, if there are any."""
    if pruned and asked:
        print("These guests are no longer declared:", *(f"  {one}" for one in pruned.values()), sep="\n")
        confirm("Remove them with their disks? Their persistent data stays")


def _closing(estate: Estate, record: RunRecord, *, lab: bool) -> Iterator[str]:
    from phoenix.derive.authority import exported_root

    if not record.did(proof()):
        return
    proven = record.of(proof())
    urls = [f"https://{name}/" for one in proven for name in one.answers]
    notes = [note for one in proven for note in one.notes]
    if notes:
        yield "These names do not answer, because their programs are external and down:"
        yield from (f"  {note}" for note in notes)
    if not urls:
        return
    yield "These names answer:"
    yield from (f"  {url}" for url in urls)
    root = exported_root(estate)
    if lab:
        yield "Try one, from a machine outside the estate that has only the root:"
        client = f"{command('lab', 'exec', 'client')} -- curl -sS --cacert /dev/stdin {urls[0]}"
        yield f"  {command('lab', 'exec', 'pve')} -- cat {root} | {client}"
    else:
        yield f"Clients need the root: {root} on {estate.hypervisors[0].name}"


if __name__ == "__main__":
    sys.exit(run_command(main))
