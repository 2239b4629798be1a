"""The authority: its state is made if absent, verified if present, refused if partial, and never wiped."""

from __future__ import annotations

from base64 import b64encode

from nornir.core.task import Result, Task

from phoenix.converge import Change, Command, Daemon, Observation, Probe, Resource, Unit, User
from phoenix.derive.flows import CA_PORT
from phoenix.derive.storage import mount_path
from phoenix.estate import Estate, Guest
from phoenix.pki.authority import SeenAuthority, read_bundle
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from tasks.converging import converge, render, session

STATE = "/etc/step-ca/ssl"
EXPORTED_ROOT = "phoenix_ca.crt"
PUBLISHED_BUNDLE = "phoenix_ca_bundle.crt"
PUBLISHED_ISSUER = "phoenix_ca_issuer.crt"
USER, USER_ID = "step", 800
AS_STEP = f"setpriv --reuid={USER} --regid={USER} --clear-groups env HOME={STATE} STEPPATH={STATE}"
"""What a command of the authority's own user begins with."""
NEEDED = (
    "certs/root_ca.crt",
    "certs/intermediate_ca.crt",
    "secrets/intermediate_ca_key",
    "secrets/password",
    "secrets/provisioner_password",
    "config/ca.json",
)
"""What the authority cannot be without; the root's key may have been taken offline."""


def ca_url(estate: Estate) -> str:
    """Where the authority answers."""
    return f"https://{ca_names(estate)[0]}:{CA_PORT}"


def ca_names(estate: Estate) -> tuple[str, ...]:
    """Names and addresses in the authority's own certificate; the first is the one that everybody uses."""
    authority = estate.guest_with("step_ca")
    labels = ("ca", *(alias for alias in authority.aliases if alias != "ca"), authority.name)
    names = dict.fromkeys(estate.fqdn(label) for label in labels)
    return (*names, "localhost", "127.0.0.1", str(authority.address))


def state_directory(estate: Estate, authority: Guest) -> str:
    """Where the authority's state lies on its hypervisor."""
    mount = next(mount for mount in authority.mounts if mount.target == STATE)
    return mount_path(estate.hypervisor_of(authority), authority, mount)


def exported_root(estate: Estate) -> str:
    """Where the root certificate is published on the authority's hypervisor."""
    return f"{state_directory(estate, estate.guest_with('step_ca'))}/{EXPORTED_ROOT}"


def published_files(estate: Estate) -> tuple[str, ...]:
    """What the authority publishes on its hypervisor: its bundle, and what signs now."""
    folder = state_directory(estate, estate.guest_with("step_ca"))
    return f"{folder}/{PUBLISHED_BUNDLE}", f"{folder}/{PUBLISHED_ISSUER}"


def seen_authority(bundle: str | None, issuer: str | None) -> SeenAuthority | None:
    """The authority by what it publishes; None where there is none yet."""
    try:
        return SeenAuthority(read_bundle(bundle), issuer) if bundle else None
    except ValueError as error:
        raise TaskFailedError(f"the authority's {PUBLISHED_BUNDLE} cannot be used: {error}") from None


class State:
    """The authority's files: none, all, or a part, which is for a person to look at."""

    def __init__(self, init: str) -> None:
        self.init = init

    def probes(self) -> tuple[Probe, ...]:
        """Ask which files there are, and whether an earlier start was interrupted."""
        listing = (
            f"cd {STATE} && for f in {' '.join(NEEDED)} .init; do [ -e $f ] && echo $f; done; ls -A {STATE} | head -n 1"
        )
        return (Probe("command", "authority", listing),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Make the state if there is none; refuse to touch a part of one."""
        said = seen.outputs.get("authority", "").split()
        present = [name for name in NEEDED if name in said]
        if len(present) == len(NEEDED) and ".init" not in said:
            return ()
        if present and ".init" not in said:
            missing = ", ".join(name for name in NEEDED if name not in present)
            raise TaskFailedError(
                f"the authority's state in {STATE} is partial: {missing} missing. Put the files back from a backup. "
                "Nothing was changed: a new root would break every certificate at once"
            )
        return (Change(f"authority in {STATE}", "create", script=f"({self.init})"),)


def init_ca(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Bring up the authority and learn its root."""
    found = converge(task, *ca_resources(task, run), dry_run=dry_run)
    host = session(task)
    if host.shell is None or task.is_dry_run(dry_run):
        return found
    if run.authority is None or found.changed:
        read = host.run(f"cat {STATE}/{PUBLISHED_BUNDLE} && echo && cat {STATE}/{PUBLISHED_ISSUER}")
        bundle, _, issuer = read.out.partition("\n\n")
        run.authority = None if read.status else seen_authority(bundle, issuer)
        if run.authority is None:
            raise TaskFailedError(f"what the authority publishes in {STATE} cannot be read: {read.err.strip()}")
    return found


def ca_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """Everything that the authority's guest should have."""
    estate = run.estate
    ca = estate.settings.ca
    unit = render(task, "step_ca/step-ca.service.j2", state=STATE, user=USER)
    lifetime = f"{ca.mesh.hours}h0m0s"
    claims = (
        f'grep -o \'"\\(max\\|default\\)TLSCertDuration": *"[^"]*"\' {STATE}/config/ca.json | grep -c \'"{lifetime}"\''
    )
    durations = f"--x509-max-dur={ca.mesh.hours}h --x509-default-dur={ca.mesh.hours}h"
    update = " && ".join(
        f"{AS_STEP} step ca provisioner update {name} {durations} --ca-config {STATE}/config/ca.json"
        for name in (ca.provisioner, "acme")
    )
    root = f"{STATE}/{EXPORTED_ROOT}"
    names = ca_names(estate)
    return (
        User(USER, USER_ID, STATE),
        State(_init_script(task, estate)),
        _published("root_ca.crt", EXPORTED_ROOT),
        _published("root_ca.crt", PUBLISHED_BUNDLE),
        _published("intermediate_ca.crt", PUBLISHED_ISSUER),
        Command("lifetimes of leaves", claims, "4", f"{update} && {{ systemctl reload step-ca || true; }}"),
        Daemon(
            Unit("step-ca.service", unit),
            probe=f"curl -fsS --cacert {root} --resolve {names[0]}:{CA_PORT}:127.0.0.1 {ca_url(estate)}/health",
            on_change="restart",
        ),
    )


def _published(source: str, name: str) -> Command:
    """A public copy of a certificate beside the state."""
    origin, copy = f"{STATE}/certs/{source}", f"{STATE}/{name}"
    question = f"cmp -s {origin} {copy} && stat -c %a {copy}"
    return Command(f"published {name}", question, "644", f"install -m 644 -o {USER} -g {USER} {origin} {copy}")


def _init_script(task: Task, estate: Estate) -> str:
    """The script that makes the state; root and intermediate may sign for the estate's zones and networks alone."""
    domains = [estate.zone, *estate.settings.alias_zones, "localhost"]
    networks = [str(estate.settings.network.subnet), "127.0.0.0/8"]
    templates = {
        f"{name}_template": b64encode(
            render(task, f"step_ca/{name}.tpl.j2", domains=domains, networks=networks).encode()
        ).decode()
        for name in ("root", "intermediate")
    }
    return render(
        task,
        "step_ca/init.sh.j2",
        state=STATE,
        user=USER,
        name=estate.settings.ca.name,
        provisioner=estate.settings.ca.provisioner,
        names=ca_names(estate),
        port=CA_PORT,
        **templates,
    )
