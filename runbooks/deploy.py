"""Deploy the estate, or a part of it: `python runbooks/deploy.py [--lab] [--target EXPR]... [--dry-run] [--diff]`."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from functools import partial

try:
    from phoenix.cli.arguments import Arguments, options
except ModuleNotFoundError:
    sys.exit("Phoenix's environment is not active: run `make shell` first, or .venv/bin/python instead of python")

from phoenix.cli.command import execute
from phoenix.cli.dialogue import ask, interruptible, refuse
from phoenix.derive.authority import exported_root
from phoenix.estate import Estate
from phoenix.run import Stage, Step, everyone, guests, guests_in, hypervisors, observation
from phoenix.run.record import RunRecord
from phoenix.tasks.authority.reset import reset_authority
from phoenix.tasks.authority.service import ca_resources, init_ca
from phoenix.tasks.certificates.stages import leaves, web_certificates
from phoenix.tasks.firewall.apply import apply_firewall, open_what_is_declared, prepare_cluster_sets
from phoenix.tasks.hosts.guest import create_guest
from phoenix.tasks.hosts.software import install_software
from phoenix.tasks.hosts.stages import PREFLIGHT, template_levels
from phoenix.tasks.hosts.storage import prepare_storage
from phoenix.tasks.proof.routes import answering, prove_routes
from phoenix.tasks.routing.dns import keep_resolver, serve_dns, set_node_resolver
from phoenix.tasks.routing.nginx import configure_nginx
from phoenix.tasks.routing.traefik import configure_traefik
from phoenix.tasks.trust.push import push_trust
from phoenix.tasks.workloads.docker import deploy_stacks, mount_storage
from phoenix.tasks.workloads.portainer import register_agents


def deployment(estate: Estate, *, reset: bool = False) -> tuple[Stage, ...]:
    """Everything from an empty hypervisor to names that answer; any stage can be the first with something to do.

    With `reset` the authority's state is given up first, and everything that depends on it is made again.
    """
    resets = (Step(reset_authority, guests_in("step_ca")),) if reset else ()
    later = (
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
        Stage("proof", (PROOF,)),
        web_certificates(),
    )
    way_in = Stage("way in", (Step(open_what_is_declared, hypervisors, for_guests=True),))
    return (PREFLIGHT, way_in, observation(later), *later)


PROOF = Step(prove_routes, hypervisors)


def deploy() -> int:
    """Bring hypervisor, guests, authority, trust, certificates, services and firewall to what the inventory says."""
    given = _given()
    chain = partial(_resetting, asked=not (given.yes or given.dry_run)) if given.reset_ca else deployment
    return execute(options(given), chain, partial(_closing, lab=given.lab))


def _given() -> Namespace:
    parser = Arguments(description=deploy.__doc__)
    parser.flag("--lab", "Deploy to the embedded lab.")
    parser.common("--inventory", "--target", "--dry-run", "--diff", "--json")
    parser.flag("--reset-ca", "Give up the authority, and make another one.")
    parser.flag("--yes", "Do not ask whether the reset is meant.")
    parser.common("--workers")
    given = parser.parse_args()
    if given.reset_ca and given.targets:
        parser.error("a reset concerns every host: leave out --target")
    return given


def _resetting(estate: Estate, *, asked: bool) -> tuple[Stage, ...]:
    """The deployment with a reset, which the operator must want by name."""
    warning = f"This makes a new root for {estate.zone}; whoever trusts the present one must be given the new one."
    if asked and ask(f"{warning} Type the zone to go on") != estate.zone:
        refuse("That is not the zone. Nothing was touched.")
    return deployment(estate, reset=True)


def _closing(estate: Estate, record: RunRecord, *, lab: bool) -> Iterator[str]:
    if not record.did(PROOF):
        return
    urls = answering(estate)
    yield "These names answer:"
    yield from (f"  {url}" for url in urls)
    root = exported_root(estate)
    if lab and urls:
        yield "Try one, from a machine outside the estate that has nothing but the root:"
        python = "python" if "VIRTUAL_ENV" in os.environ else ".venv/bin/python"
        give = f"{python} runbooks/lab.py exec pve -- cat {root}"
        yield f"  {give} | {python} runbooks/lab.py exec client -- curl -sS --cacert /dev/stdin {urls[0]}"
    else:
        yield f"Machines that are to use them need the root: {root} on {estate.hypervisors[0].name}"


if __name__ == "__main__":
    sys.exit(interruptible(deploy))
