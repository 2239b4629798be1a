"""Software of a host, in one installation: the base of every managed guest, and the needs of its features.

What ran for a group that a guest has left is stopped first.
"""

from __future__ import annotations

from phoenix.converge import Packages, Resource
from phoenix.derive.certificates import leaves_of
from phoenix.estate import Guest, Hypervisor
from phoenix.run import Converge, Run
from phoenix.tasks.hosts.leftovers import leftover_resources
from phoenix.tasks.support.artifacts import pinned_program

BASE = ("ca-certificates", "curl", "openssl")
PROGRAMS = (("step_cli", "step"), ("step_ca", "step"), ("step_ca", "step-ca"), ("traefik", "traefik"))
NGINX = ("nginx", "nftables", "logrotate")
FEATURES = {"docker": ("docker.io",), "nginx": NGINX, "portainer_agent": NGINX, "traefik": ("nftables",)}


def software_resources(run: Run, host: Hypervisor | Guest) -> tuple[Resource, ...]:
    """Packages and programs of a host. A guest with an external workload gets only what trust needs."""
    return _of_hypervisor(run, host) if isinstance(host, Hypervisor) else _of_guest(run, host)


def _of_hypervisor(run: Run, hypervisor: Hypervisor) -> tuple[Resource, ...]:
    has_exports = any(guest.persistent_storage for guest in run.estate.guests if guest.hypervisor == hypervisor.name)
    packages = Packages(("dnsmasq-base", *(("nfs-kernel-server",) if has_exports else ())))
    has_leaf = bool(leaves_of(run.estate, hypervisor.name))
    return (packages, *((pinned_program("step", run.artifacts),) if has_leaf else ()))


def packages_of(guest: Guest) -> tuple[str, ...]:
    """Name the packages that a guest needs."""
    names = [*BASE] if guest.has("base_setup") else ["ca-certificates"]
    for feature, packages in FEATURES.items():
        names += packages if guest.has(feature) else ()
    if guest.persistent_storage:
        names.append("nfs-common")
    return tuple(dict.fromkeys(names))


def _of_guest(run: Run, guest: Guest) -> tuple[Resource, ...]:
    programs = (name for group, name in PROGRAMS if guest.has(group))
    installed = (Packages(packages_of(guest)), *(pinned_program(name, run.artifacts) for name in programs))
    return (*leftover_resources(guest), *installed)


install_software = Converge("install_software", software_resources)
"""Install what later tasks rely on."""
