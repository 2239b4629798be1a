"""Preflight: everything that must be so before anything is touched, with all problems of a hypervisor at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nornir.core.task import Result, Task

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.connections.ssh import ConnectionFailedError
from phoenix.converge import Observation, Probe
from phoenix.derive.authority import published_files
from phoenix.derive.guests import MARK
from phoenix.estate import Estate, Hypervisor
from phoenix.pve.privileges import missing_privileges
from phoenix.run import Run
from phoenix.run.runner import TaskFailedError
from phoenix.tasks.authority.service import seen_authority
from phoenix.tasks.certificates.api_trust import lane_problems
from phoenix.tasks.support.converging import result, session

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


class _Questions:
    """What preflight asks the node, in the shape of a resource."""

    def __init__(self, hypervisor: Hypervisor, published: tuple[str, ...]) -> None:
        self.hypervisor = hypervisor
        self.published = published

    def probes(self) -> tuple[Probe, ...]:
        optional = {"zfs": self.hypervisor.datasets, "pvenode": self.hypervisor.web_certificate}
        commands = (*COMMANDS, *(command for command, needed in optional.items() if needed))
        missing = f"for c in {' '.join(commands)}; do command -v $c >/dev/null || echo $c; done"
        port_53 = "ss -Hlnup 'sport = :53' | grep -v dnsmasq | head -n 3"
        space = "df --output=avail -k / | tail -n 1"
        return (
            Probe("command", "missing commands", missing),
            Probe("command", "port 53", port_53),
            Probe("command", "space", space),
            *(Probe("content", path) for path in self.published),
        )

    def changes(self, _seen: Observation) -> tuple[()]:
        return ()


def check_access(task: Task, run: Run) -> Result:
    """Prove both lanes, the token's privileges, the node's commands and that ids are free or ours; change nothing."""
    estate = run.estate
    hypervisor = estate.host(task.host.name)
    assert isinstance(hypervisor, Hypervisor)  # noqa: S101  # the stage runs on hypervisors
    problems = [*_api_problems(estate, hypervisor, run), *_node_problems(task, hypervisor, run)]
    problems += lane_problems(run, hypervisor) if hypervisor.name in run.targets else ()
    if problems:
        raise TaskFailedError("; ".join(problems))
    return result(task, [])


def _api_problems(estate: Estate, hypervisor: Hypervisor, run: Run) -> Iterator[str]:
    api = run.links.api(hypervisor.name)
    try:
        version = str(api.get("version")["version"])
        resources = api.get("cluster/resources", type="vm")
        granted = api.get("access/permissions")
        nodes = {node["node"] for node in api.get("nodes")}
    except ApiError as error:
        yield str(error)
        return
    run.exists.update({int(found["vmid"]): found for found in resources})
    if int(version.split(".", maxsplit=1)[0]) < 8:  # noqa: PLR2004
        yield f"{api.where}: Proxmox VE {version} is too old; 8 or newer is needed"
    if hypervisor.node not in nodes:
        yield f"{api.where}: there is no node {hypervisor.node!r} (there is {', '.join(sorted(nodes))}); correct `node`"
        return
    lacking = missing_privileges(granted, estate, hypervisor, version)
    yield from (f"{api.where}: the token lacks {privilege} on {path}" for path, privilege in lacking)
    yield from _storage_problems(api, estate, hypervisor, run)
    yield from _strangers(estate, run)


def _storage_problems(api: ProxmoxClient, estate: Estate, hypervisor: Hypervisor, run: Run) -> Iterator[str]:
    absent = [m for m in (*estate.guests, *estate.templates) if m.vmid not in run.exists and m.name in run.targets]
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


def _strangers(estate: Estate, run: Run) -> Iterator[str]:
    for machine in (*estate.guests, *estate.templates):
        found = run.exists.get(machine.vmid)
        if found is None or machine.name not in run.targets:
            continue
        tags = str(found.get("tags", "")).split(";")
        kind = "vm" if found["type"] == "qemu" else found["type"]
        if found.get("name") != machine.name and MARK not in tags:
            name = found.get("name")
            yield f"vmid {machine.vmid} is {name!r}, which this inventory did not make; {machine.name} needs another"
        elif kind != machine.kind:
            yield f"vmid {machine.vmid} ({machine.name}) is a {kind}, the inventory says {machine.kind}"


def _node_problems(task: Task, hypervisor: Hypervisor, run: Run) -> Iterator[str]:
    published = published_files(run.estate)
    try:
        seen = session(task).observe([_Questions(hypervisor, published)])
    except ConnectionFailedError as error:
        yield str(error)
        return
    run.authority = seen_authority(run.estate, *map(seen.text, published)) or run.authority
    if missing := seen.outputs.get("missing commands", "").split():
        yield f"{hypervisor.name}: these commands are missing on the node: {', '.join(missing)}"
    if taken := seen.outputs.get("port 53", "").strip():
        yield f"{hypervisor.name}: port 53 is taken by another program; stop it first: {taken.split()[-1]}"
    if int(seen.outputs.get("space", "0").strip() or 0) < 200_000:  # noqa: PLR2004  # KiB
        yield f"{hypervisor.name}: less than 200 MB are free on /; make room"
