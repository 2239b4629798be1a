"""Docker hosts: persistent storage, the engine, and a systemd unit for each declared container."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.conventions import CONTAINER_UNIT_PREFIX, DOCKER_UNIT, ESTATE_LABEL, STATE, SYSTEMD, container_unit
from phoenix.converge import (
    Change,
    Daemon,
    Directory,
    GeneratedFile,
    JsonKeys,
    Leftovers,
    ManagedGlob,
    Observation,
    OwnedDirectory,
    Probe,
    Resource,
    Unit,
)
from phoenix.derive.storage import volume_path
from phoenix.errors import TaskFailedError
from phoenix.estate import Container, Estate, Guest
from phoenix.run import Converge, Run
from phoenix.tasks.support.mounts import behind_mount, mount_unit
from phoenix.templating import render, shell_program

STORAGE_MARK = "Description=Persistent storage on the hypervisor"
"""Line of the unit that mounts a machine's persistent storage."""
SETTINGS_FILE = "/etc/docker/daemon.json"


def volume_resources(run: Run, guest: Guest) -> tuple[Resource, ...]:
    """The mount of a machine's persistent storage, or the owners of a container's mounts."""
    former = () if guest.has("docker") else _former_mounts(guest)
    if guest.persistent_storage is None:
        owners = (OwnedDirectory(mount.target, *_ids(mount.owner), mount.mode) for mount in guest.mounts)
        return (*former, *(behind_mount(run, guest, owner.path, owner) for owner in owners))
    hypervisor = run.estate.hypervisor_of(guest)
    what = f"{hypervisor.address}:{volume_path(hypervisor, guest)}"
    unit = render("storage/persistent.mount.j2", what=what, where=guest.persistent_storage)
    return (*former, Unit(mount_unit(guest.persistent_storage), unit))


def _former_mounts(guest: Guest) -> tuple[Resource, ...]:
    """Mounts of a machine's persistent storage that are no longer declared; what is on the hypervisor stays."""
    if guest.kind != "vm":
        return ()
    keep = (f"{SYSTEMD}/{mount_unit(guest.persistent_storage)}",) if guest.persistent_storage else ()
    return (Leftovers(f"{SYSTEMD}/*.mount", STORAGE_MARK, keep),)


def _ids(owner: str) -> tuple[int, int]:
    uid, gid = owner.split(":")
    return int(uid), int(gid)


def docker_resources(run: Run, guest: Guest) -> tuple[Resource, ...]:
    """The Docker engine, its images, and a unit per container."""
    hypervisor = run.estate.hypervisor_of(guest)
    settings = {"dns": [str(hypervisor.guest_resolver)], "dns-search": [run.estate.zone], "live-restore": True}
    engine = Daemon(
        Unit(DOCKER_UNIT),
        files=(JsonKeys(SETTINGS_FILE, settings, f"{STATE}/docker-settings.json"),),
        probe="docker info --format {{.ServerVersion}}",
        on_change="restart",
    )
    units = tuple(f"{SYSTEMD}/{container_unit(name)}" for name in guest.containers)
    return (
        Directory("/etc/docker"),
        engine,
        Images(tuple(sorted({container.image for container in guest.containers.values()}))),
        ForeignContainers(run.estate.zone, tuple(guest.containers)),
        *(part for name, container in guest.containers.items() for part in _container(run, guest, name, container)),
        ManagedGlob(f"{SYSTEMD}/{CONTAINER_UNIT_PREFIX}*.service", units),
        *_former_mounts(guest),  # last: systemd stops a unit together with the mount that it requires
    )


@dataclass(frozen=True)
class Images:
    """Images of the engine; missing ones are pulled in parallel."""

    names: tuple[str, ...]

    def probes(self) -> tuple[Probe, ...]:
        """Ask the engine for its tags and digests."""
        return (Probe("command", "images", f"({shell_program('docker/images.sh', unit=DOCKER_UNIT)})"),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Pull missing images; a failure carries the engine's message."""
        have = seen.outputs.get("images", "").split()
        missing = [name for name in self.names if name not in have and _untagged(name) not in have]
        script = shell_program("docker/pull.sh", images=missing)
        return tuple(
            Change(f"image {name}", "install", script="" if index else script) for index, name in enumerate(missing)
        )


@dataclass(frozen=True)
class ForeignContainers:
    """Containers that have a name of the inventory and are not of this estate: refused, never removed."""

    zone: str
    names: tuple[str, ...]

    def probes(self) -> tuple[Probe, ...]:
        """Ask for all containers with their label, and for the units of the estate's containers."""
        script = shell_program("docker/containers.sh", unit=DOCKER_UNIT, label=ESTATE_LABEL)
        units = (Probe("stat", f"{SYSTEMD}/{container_unit(name)}") for name in self.names)
        return (Probe("command", "containers", f"({script})"), *units)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Return no change; TaskFailedError for a foreign container. Before labels, the unit showed the owner."""
        for line in seen.outputs.get("containers", "").splitlines():
            name, _, zone = line.partition(" ")
            has_unit = f"{SYSTEMD}/{container_unit(name)}" in seen.stats
            if name in self.names and zone.strip() != self.zone and (zone.strip() or not has_unit):
                raise TaskFailedError(
                    f"the Docker container {name} is not of this estate and stays as it is: rename or remove it "
                    f"(docker rename {name} NEW), or give the inventory's container another name"
                )
        return ()


def _untagged(image: str) -> str:
    """Format an image pinned by digest as the engine lists it, without the tag, which a digest overrides."""
    name, at, digest = image.partition("@")
    return f"{name.rsplit(':', 1)[0] if ':' in name.rsplit('/', 1)[-1] else name}{at}{digest}"


def _container(run: Run, guest: Guest, name: str, container: Container) -> list[Resource]:
    mount = mount_unit(guest.persistent_storage) if guest.persistent_storage else ""
    unit = render(
        "docker/container.service.j2",
        name=name,
        container=container,
        ports=[_published(port) for port in container.ports],
        mount_unit=mount,
        label=_label(run.estate),
    )
    found: list[Resource] = []
    for volume in container.volumes:
        source = volume.split(":", 1)[0]
        if guest.persistent_storage and source.startswith(f"{guest.persistent_storage}/"):
            found.append(behind_mount(run, guest, source, _source(source)))
    return [*found, Unit(container_unit(name), unit)]


def _label(estate: Estate) -> str:
    return f"{ESTATE_LABEL}={estate.zone}"


def _source(path: str) -> Resource:
    """A container's volume on the host: a generated secret if its name ends in `password`, else a directory."""
    if path.endswith("password"):
        return GeneratedFile(path, "head -c 24 /dev/urandom | base64 -w0")
    return Directory(path, mode="0750")


def _published(port: str) -> str:
    return port if ":" in port else f"{port}:{port}"


mount_storage = Converge("mount_storage", volume_resources)
"""Mount a machine's persistent storage; correct the owners of a container's mounts, which packages change."""


deploy_stacks = Converge("deploy_stacks", docker_resources)
"""Bring the Docker engine and its containers to the inventory."""
