"""Checks that a host meets the requirements of its groups."""

from __future__ import annotations

from collections import Counter

from phoenix.conventions import CA_STATE
from phoenix.estate.key_locations import Sources
from phoenix.estate.model import Estate, Guest
from phoenix.estate.problems import Problems

NEEDS = {
    "docker": ("trusted_ca",),
    "portainer": ("docker", "step_cli"),
    "portainer_agent": ("docker", "step_cli"),
    "nginx": ("trusted_ca", "step_cli"),
    "traefik": ("trusted_ca",),
}


def features(estate: Estate, sources: Sources) -> Problems:
    """Check that each host has the groups and the storage that its groups require."""
    for hypervisor in estate.hypervisors:
        if hypervisor.web_certificate and not hypervisor.has("trusted_ca"):
            message = "the certificate is issued by the estate's CA: add the group 'trusted_ca'"
            yield sources.problem(hypervisor.name, ("web_certificate",), message)
    for guest in estate.guests:
        for feature in guest.groups:
            for needed in NEEDS.get(feature, ()):
                if not guest.has(needed):
                    message = f"{feature!r} requires the group {needed!r}: add it"
                    yield sources.hosts.problem((guest.name, "groups"), f"{guest.name}.groups", message)
        if guest.kind == "vm" and guest.mounts:
            yield sources.problem(guest.name, ("mounts",), "a vm has no bind mounts; use 'persistent_storage'")
        if guest.kind == "lxc" and guest.persistent_storage:
            yield sources.problem(guest.name, ("persistent_storage",), "a container has no such storage; use 'mounts'")
        if guest.kind == "lxc" and guest.has("docker"):
            message = "'docker' is for vms: a container shares the hypervisor's kernel and storage"
            yield sources.hosts.problem((guest.name, "groups"), f"{guest.name}.groups", message)
        yield from _mounts(guest, sources)


def _mounts(guest: Guest, sources: Sources) -> Problems:
    targets = Counter(mount.target for mount in guest.mounts)
    origins = Counter(mount.source for mount in guest.mounts)
    for index, mount in enumerate(guest.mounts):
        if targets[mount.target] > 1:
            message = f"{mount.target} is the target of two mounts; keep one"
            yield sources.problem(guest.name, ("mounts", index, "target"), message)
        if origins[mount.source] > 1:
            message = f"{mount.source} is the source of two mounts, but has one owner and mode; keep one"
            yield sources.problem(guest.name, ("mounts", index, "source"), message)
    if guest.has("step_ca") and CA_STATE not in targets:
        message = f"the CA's state must outlive its guest: add a mount with the target {CA_STATE}"
        yield sources.problem(guest.name, ("mounts",), message)
    if guest.has("portainer") and not guest.persistent_storage:
        message = "Portainer's data must outlive its guest: set 'persistent_storage' to the path where it is mounted"
        yield sources.problem(guest.name, ("persistent_storage",), message)
