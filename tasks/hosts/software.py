"""Software of a guest, all of it in one installation: what every managed guest has, and what its features need."""

from __future__ import annotations

from nornir.core.task import Result, Task

from phoenix.converge import Packages, Resource
from phoenix.derive.certificates import leaves_of
from phoenix.estate import Guest, Hypervisor
from phoenix.run import Run
from phoenix.tasks.support.converging import converge, program

BASE = ("ca-certificates", "curl", "openssl")
PROGRAMS = (("step_cli", "step"), ("step_ca", "step"), ("step_ca", "step-ca"), ("traefik", "traefik"))
NGINX = ("nginx", "nftables", "logrotate")
FEATURES = {"docker": ("docker.io",), "nginx": NGINX, "portainer_agent": NGINX, "traefik": ("nftables",)}


def install_software(task: Task, run: Run, *, dry_run: bool | None = None) -> Result:
    """Install what later tasks rely on."""
    return converge(task, *software_resources(task, run), dry_run=dry_run)


def software_resources(task: Task, run: Run) -> tuple[Resource, ...]:
    """Packages and programs of a host; a guest whose workload is somebody else's gets only what trust needs."""
    host = run.estate.host(task.host.name)
    if isinstance(host, Hypervisor):
        stored = any(guest.persistent_storage for guest in run.estate.guests if guest.hypervisor == host.name)
        served = Packages(("dnsmasq-base", *(("nfs-kernel-server",) if stored else ())))
        has_leaf = bool(leaves_of(run.estate, host.name))
        return (served, *((program("step", run.artifacts.get("step")),) if has_leaf else ()))
    wanted = [*BASE] if host.has("base_setup") else ["ca-certificates"]
    for feature, packages in FEATURES.items():
        wanted += packages if host.has(feature) else ()
    if isinstance(host, Guest) and host.persistent_storage:
        wanted.append("nfs-common")
    found: tuple[Resource, ...] = (Packages(tuple(dict.fromkeys(wanted))),)
    programs = [name for group, name in PROGRAMS if host.has(group)]
    return (*found, *(program(name, run.artifacts.get(name)) for name in programs))
