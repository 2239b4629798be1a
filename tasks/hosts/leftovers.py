"""What runs on a guest for a group that it has left: stopped and removed, without packages and data."""

from __future__ import annotations

from phoenix.conventions import CA_UNIT, CONTAINER_UNIT_PREFIX, SYSTEMD
from phoenix.converge import Leftovers, ManagedGlob, Resource
from phoenix.estate import Guest
from phoenix.tasks.routing.nginx import nginx_leftovers
from phoenix.tasks.routing.traefik import mesh_leftovers
from phoenix.tasks.workloads.portainer import portainer_leftovers

CA_LEFTOVERS = (Leftovers(f"{SYSTEMD}/{CA_UNIT}", "Description=Certificate authority of the estate"),)
CONTAINERS = (ManagedGlob(f"{SYSTEMD}/{CONTAINER_UNIT_PREFIX}*.service", ()),)
"""Units of containers; the engine stays, because others may use it."""


def leftover_resources(guest: Guest) -> tuple[Resource, ...]:
    """What must not run on a guest, because of the groups that it is not in."""
    by_groups: dict[tuple[str, ...], tuple[Resource, ...]] = {
        ("step_ca",): CA_LEFTOVERS,
        ("traefik",): mesh_leftovers(),
        ("nginx", "portainer_agent"): nginx_leftovers(),
        ("docker",): CONTAINERS,
        ("portainer",): portainer_leftovers(),
    }
    return tuple(
        resource
        for groups, resources in by_groups.items()
        if not any(guest.has(group) for group in groups)
        for resource in resources
    )
