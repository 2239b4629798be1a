"""Whether a host can do what its groups say of it."""

from __future__ import annotations

from collections import Counter

from phoenix.conventions import CA_STATE
from phoenix.estate.model import Estate, Guest
from phoenix.estate.problems import Found
from phoenix.estate.sources import Sources

NEEDS = {
    "docker": ("trusted_ca",),
    "portainer": ("docker", "step_cli"),
    "portainer_agent": ("docker", "step_cli"),
    "nginx": ("trusted_ca", "step_cli"),
    "traefik": ("trusted_ca",),
}


def features(estate: Estate, sources: Sources) -> Found:
    """Groups bring the groups and the storage that they need."""
    for hypervisor in estate.hypervisors:
        if hypervisor.web_certificate and not hypervisor.has("trusted_ca"):
            message = "the certificate comes from the estate's authority: add the group 'trusted_ca'"
            yield sources.problem(hypervisor.name, ("web_certificate",), message)
    for guest in estate.guests:
        for feature in guest.groups:
            for needed in NEEDS.get(feature, ()):
                if not guest.has(needed):
                    message = f"{feature!r} needs the group {needed!r} as well"
                    yield sources.hosts.problem((guest.name, "groups"), f"{guest.name}.groups", message)
        if guest.kind == "vm" and guest.mounts:
            yield sources.problem(guest.name, ("mounts",), "a vm has no bind mounts; use 'persistent_storage'")
        if guest.kind == "lxc" and guest.persistent_storage:
            yield sources.problem(guest.name, ("persistent_storage",), "a container uses 'mounts' for what must last")
        if guest.kind == "lxc" and guest.has("docker"):
            message = "'docker' is for vms: a container's kernel and storage are the hypervisor's"
            yield sources.hosts.problem((guest.name, "groups"), f"{guest.name}.groups", message)
        yield from _mounts(guest, sources)


def _mounts(guest: Guest, sources: Sources) -> Found:
    targets = Counter(mount.target for mount in guest.mounts)
    places = Counter(mount.source for mount in guest.mounts)
    for index, mount in enumerate(guest.mounts):
        if targets[mount.target] > 1:
            yield sources.problem(guest.name, ("mounts", index, "target"), f"{mount.target} is mounted twice")
        if places[mount.source] > 1:
            message = f"{mount.source} is the source of two mounts, and has one owner and mode"
            yield sources.problem(guest.name, ("mounts", index, "source"), message)
    if guest.has("step_ca") and CA_STATE not in targets:
        message = f"the authority's state must outlive its guest: mount something at {CA_STATE}"
        yield sources.problem(guest.name, ("mounts",), message)
    if guest.has("portainer") and not guest.persistent_storage:
        message = "Portainer's data must outlive its guest: say where its 'persistent_storage' is mounted"
        yield sources.problem(guest.name, ("persistent_storage",), message)
