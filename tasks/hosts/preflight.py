"""Preflight: check all preconditions of a hypervisor before any change, and report all problems at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nornir.core.task import Task

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.conventions import DNS_PORT
from phoenix.converge import Change, Observation, Outcome, Probe, ReadOnlyFile
from phoenix.derive.authority import published_files
from phoenix.derive.ownership import owns
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Hypervisor, Machine
from phoenix.pve.guest_config import read_config
from phoenix.pve.guests import GuestStatus
from phoenix.pve.paths import path_of
from phoenix.pve.privileges import missing_privileges
from phoenix.run import Run
from phoenix.tasks.authority.service import seen_authority
from phoenix.tasks.certificates.api_trust import connection_problems
from phoenix.tasks.hosts.adoption import stranger
from phoenix.tasks.support.guests import learn_guests
from phoenix.templating import shell_program

COMMANDS = (
    "lxc-attach",
    "lxc-info",
    "nsenter",
    "flock",
    "pct",
    "pve-firewall",
    "perl",
    "systemctl",
    "ip",
    "apt-get",
    "curl",
    "openssl",
    "sha256sum",
    "base64",
)
MISSING_COMMANDS, DNS_PORT_USERS, FREE_SPACE = "missing commands", f"port {DNS_PORT}", "space"
MIN_FREE_KIB = 200_000


def node_probes(hypervisor: Hypervisor) -> tuple[Probe, ...]:
    """Questions to the node: missing commands, programs on the DNS port, free space on / in KiB."""
    optional = {"zfs": hypervisor.datasets, "pvenode": hypervisor.web_certificate}
    commands = (*COMMANDS, *(command for command, needed in optional.items() if needed))
    missing = shell_program("hosts/missing-commands.sh", commands=commands)
    port = f"ss -Hlnup 'sport = :{DNS_PORT}' | grep -v dnsmasq | head -n 3"
    return (
        Probe("command", MISSING_COMMANDS, missing),
        Probe("command", DNS_PORT_USERS, port),
        Probe("command", FREE_SPACE, "df --output=avail -k / | tail -n 1"),
    )


@dataclass(frozen=True)
class _NodeQuestions:
    """The questions in the form of a resource that is never changed."""

    hypervisor: Hypervisor

    def probes(self) -> tuple[Probe, ...]:
        return node_probes(self.hypervisor)

    def changes(self, _seen: Observation) -> tuple[Change, ...]:
        return ()


def check_access(task: Task, run: Run) -> Outcome:
    """Check connections, the token's privileges, the node's commands, and that ids are free or ours; change nothing."""
    estate = run.estate
    hypervisor = estate.hypervisor(task.host.name)
    problems = [*_api_problems(estate, hypervisor, run), *_node_problems(hypervisor, run)]
    problems += connection_problems(run, hypervisor) if hypervisor.name in run.targets else ()
    if problems:
        raise TaskFailedError("; ".join(problems))
    return Outcome(task.host)


def _api_problems(estate: Estate, hypervisor: Hypervisor, run: Run) -> Iterator[str]:
    api = run.links.api(hypervisor.name)
    try:
        version = str(api.get("version")["version"])
        granted = api.get("access/permissions")
        nodes = {node["node"] for node in api.get("nodes")}
    except ApiError as error:
        yield str(error)
        return
    if int(version.split(".", maxsplit=1)[0]) < 8:  # noqa: PLR2004
        yield f"{api.where}: Proxmox VE {version} is too old; 8 or newer is needed"
    if hypervisor.node not in nodes:
        yield f"{api.where}: there is no node {hypervisor.node!r} (there is {', '.join(sorted(nodes))}); correct `node`"
        return
    learn_guests(run, hypervisor)
    lacking = missing_privileges(granted, estate, hypervisor, version)
    yield from (f"{api.where}: the token lacks {privilege} on {path}" for path, privilege in lacking)
    yield from _storage_problems(api, estate, hypervisor, run)
    yield from _unmanaged(estate, run, api)


def _storage_problems(api: ProxmoxClient, estate: Estate, hypervisor: Hypervisor, run: Run) -> Iterator[str]:
    absent = [m for m in (*estate.guests, *estate.templates) if m.vmid not in run.guests and m.name in run.targets]
    if not absent:
        return
    storages = {str(found["storage"]): found for found in api.get(f"nodes/{hypervisor.node}/storage")}
    for storage in sorted({machine.storage for machine in absent}):
        if storage not in storages:
            yield f"{api.where}: there is no storage {storage!r} (there is {', '.join(sorted(storages))})"
    for machine in absent:
        volume = machine.ostemplate or machine.disk_image
        if volume and not _has_volume(api, hypervisor, storages, volume):
            yield f"{api.where}: {machine.name} is made from {volume}, which is not there: download it to its storage"


def _has_volume(api: ProxmoxClient, hypervisor: Hypervisor, storages: dict[str, Any], volume: str) -> bool:
    storage = volume.partition(":")[0]
    if storage not in storages:
        return False
    content = api.get(f"nodes/{hypervisor.node}/storage/{storage}/content")
    return any(found["volid"] == volume for found in content)


def _unmanaged(estate: Estate, run: Run, api: ProxmoxClient) -> Iterator[str]:
    """Ids of the inventory that guests of other owners or of another kind use."""
    for machine in (*estate.guests, *estate.templates):
        guest = run.guests.status(machine.vmid)
        if guest is None or machine.name not in run.targets or machine.hypervisor != api.name:
            continue
        if guest.kind != machine.kind:
            yield f"vmid {machine.vmid} ({machine.name}) is a {guest.kind}, in the inventory a {machine.kind}"
        elif not owns(estate, guest.vmid, guest.tags) and machine.name not in run.consent.adopted:
            yield from _foreign(estate, machine, guest, api)


def _foreign(estate: Estate, machine: Machine, guest: GuestStatus, api: ProxmoxClient) -> Iterator[str]:
    """A guest without the owner's tag is foreign, unless its description says otherwise."""
    config = read_config(api.get(f"{path_of(estate, machine)}/pending")).next
    if text := stranger(estate, guest, config):
        yield (
            f"vmid {machine.vmid} is not of this estate: {text}. Give {machine.name} another vmid, or take the guest "
            f"over: `phoenix deploy --dry-run --diff --adopt {machine.name}` shows what would change"
        )


def _node_problems(hypervisor: Hypervisor, run: Run) -> Iterator[str]:
    published = published_files(run.estate)
    try:
        seen = run.session(hypervisor.name).observe([_NodeQuestions(hypervisor), *map(ReadOnlyFile, published)])
    except ConnectionFailedError as error:
        yield str(error)
        return
    run.known_authority = seen_authority(run.estate, *map(seen.text, published)) or run.known_authority
    if missing := seen.outputs.get(MISSING_COMMANDS, "").split():
        yield f"{hypervisor.name}: these commands are missing on the node: {', '.join(missing)}"
    if taken := seen.outputs.get(DNS_PORT_USERS, "").strip():
        yield f"{hypervisor.name}: port {DNS_PORT} is taken by another program; stop it first: {taken.split()[-1]}"
    if int(seen.outputs.get(FREE_SPACE, "0").strip() or 0) < MIN_FREE_KIB:
        yield f"{hypervisor.name}: less than 200 MB are free on /; make room"
