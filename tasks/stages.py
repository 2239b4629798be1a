"""The stages of a deployment: the whole story on one screen."""

from __future__ import annotations

from phoenix.cli.request import Chain
from phoenix.derive.certificates import leaves_of
from phoenix.estate import Estate, Template
from phoenix.pki.ca.rotation import RotationTarget
from phoenix.run import Stage, Step, everyone, group, guests, hypervisors
from phoenix.run.stage import Selector, TaskFunction
from phoenix.tasks.authority.backup import restore_state
from phoenix.tasks.authority.provisioner import prepare_provisioner, settle_provisioner, switch_provisioner
from phoenix.tasks.authority.reset import reset_authority
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
from phoenix.tasks.authority.service import init_ca
from phoenix.tasks.certificates.issue import issue_certificates, issue_together
from phoenix.tasks.certificates.revocation import Chosen, revoke
from phoenix.tasks.certificates.web_certificate import serve_web_certificate
from phoenix.tasks.firewall.apply import apply_firewall, open_what_is_declared, prepare_cluster_sets
from phoenix.tasks.firewall.reach import Reach
from phoenix.tasks.hosts.guest import create_guest, destroy_guest
from phoenix.tasks.hosts.observe import observe_host
from phoenix.tasks.hosts.preflight import check_access
from phoenix.tasks.hosts.software import install_software
from phoenix.tasks.hosts.storage import prepare_storage
from phoenix.tasks.proof.audit import Audit
from phoenix.tasks.proof.dependence import check_independence, check_trust
from phoenix.tasks.proof.routes import prove_routes
from phoenix.tasks.routing.dns import keep_resolver, serve_dns, set_node_resolver
from phoenix.tasks.routing.mesh_certificates import renew_mesh_certificates
from phoenix.tasks.routing.nginx import configure_nginx
from phoenix.tasks.routing.traefik import configure_traefik
from phoenix.tasks.trust.push import push_trust
from phoenix.tasks.workloads.docker import deploy_stacks, mount_storage
from phoenix.tasks.workloads.portainer import register_agents


def deployment(estate: Estate, *, reset: bool = False) -> tuple[Stage, ...]:
    """Everything from an empty hypervisor to names that answer; any stage can be the first with something to do.

    With `reset` the authority's state is given up first, and everything that depends on it is made anew.
    """
    given_up = (Step(reset_authority, group("step_ca")),) if reset else ()
    return (
        preflight(),
        Stage("way in", (Step(open_what_is_declared, hypervisors, for_others=True),)),
        Stage("observation", (Step(observe_host, everyone),)),
        Stage(
            "hypervisor",
            (
                Step(install_software, hypervisors),
                Step(prepare_storage, hypervisors, for_others=True),
                Step(serve_dns, hypervisors),
                Step(set_node_resolver, hypervisors),
                Step(prepare_cluster_sets, hypervisors, for_others=True),
            ),
        ),
        *(Stage("templates", (Step(create_guest, level),)) for level in _template_levels(estate)),
        Stage("guests", (Step(create_guest, guests),)),
        Stage(
            "software",
            (Step(keep_resolver, guests), Step(install_software, guests), *given_up, Step(init_ca, group("step_ca"))),
        ),
        Stage("trust", (Step(push_trust, everyone),)),
        Stage("storage", (Step(mount_storage, guests),)),
        *_certificates(guests),
        Stage(
            "services",
            (
                Step(configure_traefik, group("traefik")),
                Step(deploy_stacks, group("docker")),
                Step(configure_nginx, group("nginx", "portainer_agent")),
            ),
        ),
        Stage("portainer", (Step(register_agents, group("portainer")),)),
        Stage("firewall", (Step(apply_firewall, hypervisors, for_others=True),)),
        Stage("proof", (Step(prove_routes, hypervisors),)),
        Stage("web certificates", (Step(serve_web_certificate, hypervisors),)),
    )


def rotation(rotated: RotationTarget, root_key: str | None) -> Chain:
    """A new root or intermediate: made, trusted everywhere, then in use, and only then is the old one let go."""
    return lambda estate: (
        *announcement(rotated, root_key)(estate),
        Stage("switch", (Step(switch_authority, group("step_ca")),)),
        *_reissue(),
        Stage("withdrawal", (Step(withdraw_previous, group("step_ca")),)),
        Stage("distrust", (Step(push_trust, group("trusted_ca")),)),
        Stage("settling", (Step(settle_authority, group("step_ca")),)),
        Stage("services", (Step(configure_traefik, group("traefik")), Step(register_agents, group("portainer")))),
        Stage("proof", (Step(prove_routes, hypervisors),)),
    )


def announcement(rotated: RotationTarget, root_key: str | None) -> Chain:
    """The first half of a rotation: what is to sign next is made, and every host shows that it trusts it."""
    return lambda _estate: (
        preflight(),
        Stage("next", (Step(prepare_next(rotated, root_key), group("step_ca")),)),
        Stage("announcement", (Step(announce_next, group("step_ca")),)),
        Stage("trust", (Step(push_trust, group("trusted_ca")),)),
        Stage("trusted", (Step(check_trust, group("trusted_ca")),)),
    )


def way_back(_estate: Estate) -> tuple[Stage, ...]:
    """The same in the other direction, from wherever a rotation stands, as long as the old root is trusted."""
    return (
        preflight(),
        Stage("switch", (Step(revert_authority, group("step_ca")),)),
        Stage("trust", (Step(push_trust, group("trusted_ca")),)),
        *_reissue(),
        Stage("withdrawal", (Step(withdraw_next, group("step_ca")),)),
        Stage("distrust", (Step(push_trust, group("trusted_ca")),)),
        Stage("settling", (Step(remove_next, group("step_ca")),)),
        Stage("services", (Step(configure_traefik, group("traefik")), Step(register_agents, group("portainer")))),
        Stage("proof", (Step(prove_routes, hypervisors),)),
    )


def provisioner_change(_estate: Estate) -> tuple[Stage, ...]:
    """A new key for one-time tokens; every leaf by token is issued anew by it."""
    return (
        preflight(),
        Stage("next", (Step(prepare_provisioner, group("step_ca")),)),
        Stage("switch", (Step(switch_provisioner, group("step_ca")),)),
        *_certificates(holders_of_leaves),
        Stage("web certificates", (Step(serve_web_certificate, hypervisors),)),
        Stage("settling", (Step(settle_provisioner, group("step_ca")),)),
    )


def _certificates(on: Selector) -> tuple[Stage, ...]:
    """Leaves by token: first what one session on the authority and one channel to a hypervisor can do for many."""
    together = Stage("certificates together", (Step(issue_together, hypervisors, for_others=True),))
    return (together, Stage("certificates", (Step(issue_certificates, on),)))


def _reissue() -> tuple[Stage, ...]:
    """Everything signed by what signs now, and proved to depend on nothing else."""
    return (
        *_certificates(holders_of_leaves),
        Stage("mesh", (Step(renew_mesh_certificates, group("traefik")),)),
        Stage("web certificates", (Step(serve_web_certificate, hypervisors),)),
        Stage("independence", (Step(check_independence, _who_depends),)),
    )


def _who_depends(estate: Estate) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*hypervisors(estate), *holders_of_leaves(estate), *group("traefik")(estate))))


def restoration(content: bytes) -> Chain:
    """The authority's guest, with its state from a backup; nothing else has changed, and nothing is touched."""
    return lambda _estate: (
        preflight(),
        Stage("hypervisor", (Step(prepare_storage, hypervisors, for_others=True),)),
        Stage("guests", (Step(create_guest, group("step_ca")),)),
        Stage("software", (Step(install_software, group("step_ca")),)),
        Stage("restoration", (Step(restore_state(content), group("step_ca")), Step(init_ca, group("step_ca")))),
    )


def revocation(chosen: Chosen) -> tuple[Stage, ...]:
    """One certificate, refused by the authority and replaced on its host."""
    return preflight(), Stage("revocation", (Step(revoke(chosen), _fixed((chosen.host,))),))


def on_authority(task: TaskFunction) -> Chain:
    """One thing to do on the authority's guest."""
    return lambda _estate: (preflight(), Stage("authority", (Step(task, group("step_ca")),)))


def destruction(estate: Estate) -> tuple[Stage, ...]:
    """Guests removed first, then templates, those that others were made from last."""
    templates = reversed(_template_levels(estate))
    return (
        preflight(),
        Stage("guests", (Step(destroy_guest, guests),)),
        *(Stage("templates", (Step(destroy_guest, level),)) for level in templates),
    )


def inspection(audit: Audit) -> tuple[Stage, ...]:
    """A look at every host that runs, which changes nothing."""
    return (
        Stage("hypervisors", (Step(audit.observe_guests, hypervisors, for_others=True),)),
        Stage("audit", (Step(audit.observe_certificates, everyone),)),
    )


def reachability(reach: Reach) -> tuple[Stage, ...]:
    """Real connections between everything that runs, which change nothing."""
    return preflight(), Stage("matrix", (Step(reach.try_connections, hypervisors, for_others=True),))


def preflight() -> Stage:
    """What every runbook begins with."""
    return Stage("preflight", (Step(check_access, hypervisors, for_others=True),))


def holders_of_leaves(estate: Estate) -> tuple[str, ...]:
    """Guests that have a leaf by token."""
    return tuple(guest.name for guest in estate.guests if leaves_of(estate, guest.name))


def _template_levels(estate: Estate) -> list[Selector]:
    """Templates by how many clones they are away from an image: each level is made from the one before it."""
    templates = {template.name: template for template in estate.templates}

    def depth(template: Template) -> int:
        origin = templates.get(template.clone_of or "")
        return 0 if origin is None else depth(origin) + 1

    levels: dict[int, tuple[str, ...]] = {}
    for template in estate.templates:
        levels[depth(template)] = (*levels.get(depth(template), ()), template.name)
    return [_fixed(levels[level]) for level in sorted(levels)]


def _fixed(names: tuple[str, ...]) -> Selector:
    return lambda _estate: names
