"""The authority's daemon: its state is made if absent, verified if present, refused if partial or damaged."""

from __future__ import annotations

from nornir.core.task import Task

from phoenix.conventions import CA_PORT, CA_STATE, CA_UNIT, PROGRAMS
from phoenix.converge import Daemon, Directory, File, ManagedGlob, Outcome, Resource, Unit, User
from phoenix.derive.authority import PUBLISHED_BUNDLE, PUBLISHED_ISSUER, SIGNING_ROOT, ca_names, ca_url
from phoenix.derive.certificates import certificates
from phoenix.estate import Estate, Guest
from phoenix.estate.duration import go_duration
from phoenix.pki.bundle import SeenAuthority, read_bundle
from phoenix.pki.ca.config import CaSettings, Signing, provisioner_key, read_config
from phoenix.run import Converge, Run
from phoenix.tasks.authority.files import CaConfig, Published, published
from phoenix.tasks.authority.state import USER, State, ValidCaState, constraints, valid_ca_state
from phoenix.tasks.support.mounts import behind_mount
from phoenix.templating import render, shell_program

USER_ID = 800
RELOAD = f"{PROGRAMS}/reload-step-ca"
LEFTOVERS = (".done", ".next", ".old", ".previous")
"""Directories beside the state that an interrupted rotation leaves: parts and copies of a set, keys included."""


def ca_settings(estate: Estate) -> CaSettings:
    """Derive ca.json's settings: names, and limits that allow every leaf and no longer life."""
    ca = estate.settings.ca
    longest = max(ca.leaf.lifetime, *(leaf.validity.lifetime for leaf in certificates(estate)))
    return CaSettings(ca_names(estate), CA_PORT, ca.provisioner, ca.leaf.lifetime, longest, ca.mesh.lifetime)


def seen_authority(estate: Estate, bundle: str | None, issuer: str | None, config: str | None) -> SeenAuthority | None:
    """Read what the authority publishes; None where there is no authority yet, or its state must be inspected first."""
    try:
        provisioner = provisioner_key(read_config(config), estate.settings.ca.provisioner)
        return SeenAuthority(read_bundle(bundle or ""), issuer, provisioner)
    except ValueError:
        return None


def state_resources(run: Run, authority: Guest) -> tuple[Resource, ...]:
    """The authority's user and its state."""
    state = State(_init_script(run.estate), run.estate, ca_settings(run.estate))
    return (User(USER, USER_ID, CA_STATE), behind_mount(run, authority, CA_STATE, state))


def service_resources(run: Run, _authority: Guest, signs: Signing | None = None) -> tuple[Resource, ...]:
    """The authority's settings, its published files and its daemon; the steps of a rotation give `signs`."""
    unit = render("step_ca/step-ca.service.j2", state=CA_STATE, user=USER, reload=RELOAD)
    url = ca_url(run.estate)
    name = ca_names(run.estate)[0]
    ask = f"curl -fsS --cacert {CA_STATE}/{PUBLISHED_BUNDLE} --resolve {name}:{CA_PORT}:127.0.0.1 {url}/health"
    if signs:
        only = f"-partial_chain -no-CApath -no-CAstore -CAfile {CA_STATE}/{signs.certificate} -verify_return_error"
        ask += f" && openssl s_client -connect 127.0.0.1:{CA_PORT} {only} </dev/null"
    return (
        Directory(PROGRAMS),
        File(RELOAD, shell_program("step_ca/reload.sh", port=CA_PORT), mode="0755"),
        Published(PUBLISHED_BUNDLE, signs),
        Daemon(Unit(CA_UNIT, unit), files=(CaConfig(ca_settings(run.estate), signs),), probe=ask, check=None),
        Published(SIGNING_ROOT, signs),
        Published(PUBLISHED_ISSUER, signs),
        *(ManagedGlob(f"{CA_STATE}/{name}", ()) for name in LEFTOVERS),
    )


def ca_resources(run: Run, authority: Guest) -> tuple[Resource, ...]:
    """Everything that the authority's guest should have."""
    return (*state_resources(run, authority), *service_resources(run, authority))


STATE = Converge("init_ca", state_resources)
SERVICE = Converge("init_ca", service_resources)


def init_ca(task: Task, run: Run, *, dry_run: bool | None = None) -> Outcome:
    """Bring up the authority, then learn its anchors, its signer and its provisioner."""
    state = STATE(task, run, dry_run=dry_run)
    service = SERVICE(task, run, dry_run=dry_run)
    learn(run)
    return Outcome(task.host, (*state.changes, *service.changes))


def learn(run: Run) -> None:
    """Take over the authority's current state for the tasks that follow."""
    authority = run.estate.guest_with("step_ca")
    state = valid_ca_state(run.session(authority.name).observe(service_resources(run, authority)))
    if state:
        run.known_authority = authority_of(state, run.estate)


def authority_of(found: ValidCaState, estate: Estate) -> SeenAuthority:
    """The authority as other hosts see it."""
    texts = published(found.state, found.signs)
    provisioner = provisioner_key(found.config, estate.settings.ca.provisioner)
    return SeenAuthority(read_bundle(texts[PUBLISHED_BUNDLE]), texts[PUBLISHED_ISSUER], provisioner)


def client_values(run: Run) -> dict[str, str]:
    """Values for templates/step_ca/client.sh, and for the programs that ask the CA by it in the authority's guest."""
    authority = run.known_authority
    return {
        "state": CA_STATE,
        "user": USER,
        "key_id": (authority.provisioner if authority else None) or "",
        "provisioner": run.estate.settings.ca.provisioner,
        "ca_url": ca_url(run.estate),
        "root": f"{CA_STATE}/{SIGNING_ROOT}",
    }


def template_values(estate: Estate) -> dict[str, str]:
    """Values for the scripts that create keys: lifetimes, and templates for the estate's zones and networks."""
    domains, networks = constraints(estate)
    values = {"domains": list(domains), "networks": list(map(str, networks))}
    templates = {f"{name}_template": render(f"step_ca/{name}.tpl.j2", **values) for name in ("root", "intermediate")}
    ca = estate.settings.ca
    lifetimes = {"root_life": go_duration(ca.root), "intermediate_life": go_duration(ca.intermediate)}
    return {"state": CA_STATE, "user": USER, "name": ca.name, **templates, **lifetimes}


def _init_script(estate: Estate) -> str:
    """Write the script that makes the state, or continues where it was interrupted."""
    return shell_program(
        "step_ca/init.sh",
        unit=CA_UNIT,
        provisioner=estate.settings.ca.provisioner,
        names=ca_names(estate),
        port=CA_PORT,
        url=ca_url(estate),
        **template_values(estate),
    )
