"""The authority: its state is made if absent, verified if present, refused if partial or damaged, and never wiped."""

from __future__ import annotations

from base64 import b64encode

from nornir.core.task import Result, Task

from phoenix.converge import Daemon, Directory, Exclusive, File, Resource, Unit, User
from phoenix.derive.authority import CA_PORT, PUBLISHED_BUNDLE, PUBLISHED_ISSUER, SIGNING_ROOT, STATE, ca_names, ca_url
from phoenix.derive.certificates import certificates
from phoenix.estate import Estate
from phoenix.estate.duration import go_duration
from phoenix.pki.bundle import SeenAuthority, read_bundle
from phoenix.pki.ca.config import CaSettings, Signing, provisioner_key, read_config
from phoenix.run import Run
from phoenix.tasks.authority.files import CaConfig, Published, published
from phoenix.tasks.authority.state import USER, State, ValidCaState, constraints, valid_ca_state
from phoenix.tasks.support.converging import converge, render, result, session

USER_ID = 800
AS_STEP = f"setpriv --reuid={USER} --regid={USER} --clear-groups env HOME={STATE} STEPPATH={STATE}"
"""What a command of the authority's own user begins with."""
SCRIPTS = "/usr/local/lib/phoenix"
RELOAD = f"{SCRIPTS}/reload-step-ca"
LEFT = (".done", ".next", ".old", ".previous")
"""What a rotation leaves beside the state if it is cut off: parts and copies of a set, keys included, for nobody."""


def ca_settings(estate: Estate) -> CaSettings:
    """What ca.json should say: names, and limits that allow every leaf and nothing longer."""
    ca = estate.settings.ca
    longest = max(ca.leaf.lifetime, *(leaf.validity.lifetime for leaf in certificates(estate)))
    return CaSettings(ca_names(estate), CA_PORT, ca.provisioner, ca.leaf.lifetime, longest, ca.mesh.lifetime)


def seen_authority(estate: Estate, bundle: str | None, issuer: str | None, config: str | None) -> SeenAuthority | None:
    """The authority by what it publishes; None where there is none yet, or where its state must first be looked at."""
    try:
        provisioner = provisioner_key(read_config(config), estate.settings.ca.provisioner)
        return SeenAuthority(read_bundle(bundle or ""), issuer, provisioner)
    except ValueError:
        return None


def init_ca(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Bring up the authority and learn its anchors, what signs, and its provisioner."""
    made = [
        change
        for resources in (state_resources(task, run), service_resources(task, run))
        for change in getattr(converge(task, *resources, dry_run=dry_run), "changes", ())
    ]
    learn(task, run)
    return result(task, made)


def learn(task: Task, run: Run) -> None:
    """Take over what the authority's state says now, for the tasks that follow."""
    found = valid_ca_state(session(task).observe(service_resources(task, run)))
    if found:
        run.authority = authority_of(found, run.estate)


def authority_of(found: ValidCaState, estate: Estate) -> SeenAuthority:
    """The authority as others are to see it."""
    texts = published(found.state, found.signs)
    provisioner = provisioner_key(found.config, estate.settings.ca.provisioner)
    return SeenAuthority(read_bundle(texts[PUBLISHED_BUNDLE]), texts[PUBLISHED_ISSUER], provisioner)


def ca_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """Everything that the authority's guest should have."""
    return (*state_resources(task, run), *service_resources(task, run))


def state_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """The authority's user and its state."""
    return (User(USER, USER_ID, STATE), State(_init_script(task, run.estate), run.estate, ca_settings(run.estate)))


def service_resources(task: Task, run: Run, signs: Signing | None = None) -> tuple[Resource, ...]:
    """The authority's settings, what it publishes, and its daemon; `signs` is given by the steps of a rotation."""
    unit = render(task, "step_ca/step-ca.service.j2", state=STATE, user=USER, reload=RELOAD)
    url = ca_url(run.estate)
    name = ca_names(run.estate)[0]
    ask = f"curl -fsS --cacert {STATE}/{PUBLISHED_BUNDLE} --resolve {name}:{CA_PORT}:127.0.0.1 {url}/health"
    if signs:
        only = f"-partial_chain -no-CApath -no-CAstore -CAfile {STATE}/{signs.certificate} -verify_return_error"
        ask += f" && openssl s_client -connect 127.0.0.1:{CA_PORT} {only} </dev/null"
    return (
        Directory(SCRIPTS),
        File(RELOAD, render(task, "step_ca/reload.sh.j2", port=CA_PORT), mode="0755"),
        Published(PUBLISHED_BUNDLE, signs),
        Daemon(Unit("step-ca.service", unit), files=(CaConfig(ca_settings(run.estate), signs),), probe=ask, check=None),
        Published(SIGNING_ROOT, signs),
        Published(PUBLISHED_ISSUER, signs),
        *(Exclusive(f"{STATE}/{name}", ()) for name in LEFT),
    )


def provisioner_password(run: Run) -> str:
    """Shell word for the file with the password of the token provisioner's key; a new key's has its id in the name."""
    usual = f"{STATE}/secrets/provisioner_password"
    if run.authority is None or run.authority.provisioner is None:
        return usual
    new = f"{usual}_{run.authority.provisioner}"
    return f"$(if [ -e {new} ]; then echo {new}; else echo {usual}; fi)"


def template_values(task: Task, estate: Estate) -> dict[str, str]:
    """Templates of root and intermediate, which may sign for the estate's zones and networks alone, and lifetimes."""
    domains, networks = constraints(estate)
    values = {"domains": list(domains), "networks": list(map(str, networks))}
    templates = {
        f"{name}_template": b64encode(render(task, f"step_ca/{name}.tpl.j2", **values).encode()).decode()
        for name in ("root", "intermediate")
    }
    ca = estate.settings.ca
    lifetimes = {"root_life": go_duration(ca.root), "intermediate_life": go_duration(ca.intermediate)}
    return {"state": STATE, "user": USER, "name": ca.name, **templates, **lifetimes}


def _init_script(task: Task, estate: Estate) -> str:
    """The script that makes the state, or goes on where it was interrupted."""
    return render(
        task,
        "step_ca/init.sh.j2",
        provisioner=estate.settings.ca.provisioner,
        names=ca_names(estate),
        port=CA_PORT,
        **template_values(task, estate),
    )
