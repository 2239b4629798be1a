"""Docker hosts: persistent storage, the engine, and a systemd unit for each declared container."""

from __future__ import annotations

import json
from dataclasses import dataclass

from phoenix.conventions import CONTAINER_UNIT_PREFIX, DOCKER_UNIT, SYSTEMD, container_unit
from phoenix.converge import (
    Change,
    Daemon,
    Directory,
    File,
    GeneratedFile,
    ManagedGlob,
    Observation,
    OwnedDirectory,
    Probe,
    Resource,
    Unit,
)
from phoenix.derive.storage import volume_path
from phoenix.estate import Container, Guest
from phoenix.run import Converge, Run
from phoenix.templating import render, shell_program


def volume_resources(run: Run, guest: Guest) -> tuple[Resource, ...]:
    """The mount of a machine's persistent storage, or the owners of a container's mounts."""
    if guest.persistent_storage is None:
        return tuple(OwnedDirectory(mount.target, *_ids(mount.owner), mount.mode) for mount in guest.mounts)
    hypervisor = run.estate.hypervisor_of(guest)
    what = f"{hypervisor.address}:{volume_path(hypervisor, guest)}"
    unit = render("storage/persistent.mount.j2", what=what, where=guest.persistent_storage)
    return (Unit(mount_unit(guest.persistent_storage), unit),)


def _ids(owner: str) -> tuple[int, int]:
    uid, gid = owner.split(":")
    return int(uid), int(gid)


def mount_unit(path: str) -> str:
    """Name a mount's unit (systemd-escape(1)): `/` becomes `-`, a literal `-` is escaped."""
    return path.strip("/").replace("-", r"\x2d").replace("/", "-") + ".mount"


def docker_resources(run: Run, guest: Guest) -> tuple[Resource, ...]:
    """The Docker engine, its images, and a unit per container."""
    hypervisor = run.estate.hypervisor_of(guest)
    settings = {
        "dns": [str(hypervisor.guest_resolver)],
        "dns-search": [run.estate.zone],
        "live-restore": True,
        "log-driver": "journald",
    }
    engine = Daemon(
        Unit(DOCKER_UNIT),
        files=(File("/etc/docker/daemon.json", json.dumps(settings, indent=2) + "\n"),),
        probe="docker info --format {{.ServerVersion}}",
        on_change="restart",
    )
    units = tuple(f"{SYSTEMD}/{container_unit(name)}" for name in guest.containers)
    return (
        Directory("/etc/docker"),
        engine,
        Images(tuple(sorted({container.image for container in guest.containers.values()}))),
        *(part for name, container in guest.containers.items() for part in _container(guest, name, container)),
        ManagedGlob(f"{SYSTEMD}/{CONTAINER_UNIT_PREFIX}*.service", units),
    )


@dataclass(frozen=True)
class Images:
    """Images of the engine; missing ones are pulled in parallel."""

    names: tuple[str, ...]

    def probes(self) -> tuple[Probe, ...]:
        """Ask the engine for its tags and digests."""
        form = "'{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}'"
        return (Probe("command", "images", f"docker image ls --format {form}"),)

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Pull missing images; a failure carries the engine's message."""
        have = seen.outputs.get("images", "").split()
        missing = [name for name in self.names if name not in have and _untagged(name) not in have]
        script = shell_program("docker/pull.sh", images=missing)
        return tuple(
            Change(f"image {name}", "install", script="" if index else script) for index, name in enumerate(missing)
        )


def _untagged(image: str) -> str:
    """Format an image pinned by digest as the engine lists it, without the tag, which a digest overrides."""
    name, at, digest = image.partition("@")
    return f"{name.rsplit(':', 1)[0] if ':' in name.rsplit('/', 1)[-1] else name}{at}{digest}"


def _container(guest: Guest, name: str, container: Container) -> list[Resource]:
    mount = mount_unit(guest.persistent_storage) if guest.persistent_storage else ""
    unit = render(
        "docker/container.service.j2",
        name=name,
        container=container,
        ports=[_published(port) for port in container.ports],
        mount_unit=mount,
    )
    found: list[Resource] = []
    for volume in container.volumes:
        source = volume.split(":", 1)[0]
        if guest.persistent_storage and source.startswith(f"{guest.persistent_storage}/"):
            found.append(_source(source))
    return [*found, Unit(container_unit(name), unit)]


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
