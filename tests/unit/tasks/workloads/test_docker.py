"""Docker hosts: persistent storage, engine, images, containers, and what goes with a container."""

from __future__ import annotations

import pytest

from phoenix.converge import Observation, Resource, Unit
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Mount
from phoenix.tasks.support.mounts import mount_unit
from phoenix.tasks.workloads.docker import ForeignContainers, docker_resources, volume_resources
from tests.support.converged import Drift, SimulatedHost, drifted, migrated
from tests.support.inventories import example
from tests.support.runs import planning_run, with_host, without_group

UNITS = "/etc/systemd/system"
MOUNT = r"persistent\x2dstorage.mount"
ENGINE = ["create directory /etc/docker", "create file /etc/docker/daemon.json"]
STORAGE = "/persistent-storage"
CONTAINERS = example().guest("drphoenix").containers


def started(unit: str) -> list[str]:
    """A unit that is enabled and started."""
    return [f"enable unit {unit}", f"start unit {unit}"]


def new_container(name: str) -> list[str]:
    """The unit of a container that is written and started."""
    unit = f"phoenix-container-{name}.service"
    return [f"create file {UNITS}/{unit}", *started(unit)]


def stack(name: str, estate: Estate | None = None) -> tuple[Resource, ...]:
    """What a Docker host of an estate should have."""
    estate = estate or example()
    return docker_resources(planning_run(estate), estate.guest(name))


def with_containers(*names: str, **update: object) -> Estate:
    """The example estate with some of the containers of its Docker host, each with other values."""
    kept = {name: CONTAINERS[name].model_copy(update=update) for name in names}
    return with_host(example(), "drphoenix", containers=kept)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (
            "portainer",
            [
                *ENGINE,
                *started("docker.service"),
                "install image portainer/portainer-ce:2.21.5",
                f"create directory {STORAGE}/portainer/data",
                f"create directory {STORAGE}/portainer/certs",
                f"create file {STORAGE}/portainer/admin_password",
                *new_container("portainer"),
            ],
        ),
        (
            "drphoenix",
            [
                *ENGINE,
                *started("docker.service"),
                "install image portainer/agent:2.21.5",
                "install image qdrant/qdrant:v1.12.4",
                "install image thinkheads/thinkheads_ai_app:1.0.0",
                *new_container("portainer-agent"),
                f"create directory {STORAGE}/qdrant",
                *new_container("qdrant"),
                *new_container("thinkheads-ai"),
            ],
        ),
        ("traefik", [*ENGINE, *started("docker.service")]),
    ],
)
def test_empty_host(name: str, changes: list[str]) -> None:
    """The engine comes before images and containers; a volume is a directory, or a secret made on the host."""
    assert SimulatedHost().plan(stack(name)) == changes


@pytest.mark.parametrize(
    ("kind", "subject", "changes"),
    [
        (
            "remove",
            "/etc/docker/daemon.json",
            ["create file /etc/docker/daemon.json", "restart unit docker.service"],
        ),
        (
            "chmod",
            "/etc/docker/daemon.json",
            ["update file /etc/docker/daemon.json", "restart unit docker.service"],
        ),
        ("stop", "docker.service", ["start unit docker.service"]),
        ("disable", "docker.service", ["enable unit docker.service"]),
        ("answer", "images", ["install image portainer/portainer-ce:2.21.5"]),
        (
            "edit",
            f"{UNITS}/phoenix-container-portainer.service",
            [
                f"update file {UNITS}/phoenix-container-portainer.service",
                "restart unit phoenix-container-portainer.service",
            ],
        ),
        ("stop", "phoenix-container-portainer.service", ["start unit phoenix-container-portainer.service"]),
        ("chmod", f"{STORAGE}/portainer/data", [f"update directory {STORAGE}/portainer/data"]),
        ("chmod", f"{STORAGE}/portainer/admin_password", [f"update file {STORAGE}/portainer/admin_password"]),
        ("edit", f"{STORAGE}/portainer/admin_password", []),
        (
            "add",
            f"{UNITS}/phoenix-container-old.service",
            [f"remove file {UNITS}/phoenix-container-old.service"],
        ),
        ("add", f"{UNITS}/own.service", []),
    ],
)
def test_drift(kind: Drift, subject: str, changes: list[str]) -> None:
    """Each drift is corrected alone; a secret keeps its content, and units of others stay."""
    assert drifted(stack("portainer"), kind, subject) == changes


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        (
            with_containers("portainer-agent", "qdrant"),
            [f"remove file {UNITS}/phoenix-container-thinkheads-ai.service"],
        ),
        (
            with_containers(),
            [f"remove file {UNITS}/phoenix-container-{name}.service" for name in sorted(CONTAINERS)],
        ),
        (
            with_containers("qdrant", image="qdrant/qdrant:v2"),
            [
                "install image qdrant/qdrant:v2",
                f"update file {UNITS}/phoenix-container-qdrant.service",
                "restart unit phoenix-container-qdrant.service",
                f"remove file {UNITS}/phoenix-container-portainer-agent.service",
                f"remove file {UNITS}/phoenix-container-thinkheads-ai.service",
            ],
        ),
    ],
)
def test_other_containers(after: Estate, changes: list[str]) -> None:
    """A container that is removed loses its unit; another image is pulled before its container is restarted."""
    assert migrated(stack("drphoenix"), stack("drphoenix", after)) == changes


@pytest.mark.parametrize(
    ("listed", "is_there"),
    [
        ("qdrant/qdrant:v1.12.4 qdrant/qdrant@<none>", True),
        (f"qdrant/qdrant:<none> qdrant/qdrant@sha256:{64 * 'a'}", False),
        ("qdrant/qdrant:v1.12 qdrant/qdrant@<none>", False),
        ("", False),
    ],
)
def test_images_by_tag(listed: str, is_there: bool) -> None:  # noqa: FBT001  # a column of the table
    """An image is there if the engine lists exactly its name and tag."""
    _assert_image("qdrant/qdrant:v1.12.4", listed, is_there=is_there)


@pytest.mark.parametrize(
    ("name", "is_there"),
    [
        (f"qdrant/qdrant:v1@sha256:{64 * 'a'}", True),
        (f"qdrant/qdrant@sha256:{64 * 'a'}", True),
        (f"qdrant/qdrant@sha256:{64 * 'b'}", False),
        (f"localhost:5000/qdrant@sha256:{64 * 'a'}", False),
    ],
)
def test_images_by_digest(name: str, is_there: bool) -> None:  # noqa: FBT001  # a column of the table
    """An image that is pinned by digest is there if the engine lists the digest with any tag."""
    _assert_image(name, f"qdrant/qdrant:v1.12.4 qdrant/qdrant@sha256:{64 * 'a'}", is_there=is_there)


def _assert_image(name: str, listed: str, *, is_there: bool) -> None:
    desired = stack("drphoenix", with_containers("qdrant", image=name))
    host = SimulatedHost().converge(desired)
    host.outputs["images"] = listed
    assert host.plan(desired) == ([] if is_there else [f"install image {name}"])


VOLUMES = {name: volume_resources(planning_run(example()), example().guest(name)) for name in ("portainer", "step-ca")}
BARE = with_host(example(), "nginx-gateway", mounts=())
LOGS = with_host(example(), "nginx-gateway", mounts=(Mount(source="logs", target="/var/log/nginx", owner="0:4"),))


@pytest.mark.parametrize(
    ("estate", "name", "changes"),
    [
        (example(), "portainer", [f"create file {UNITS}/{MOUNT}", *started(MOUNT)]),
        (example(), "step-ca", ["create directory /etc/step-ca/ssl"]),
        (example(), "nginx-gateway", ["create directory /var/log/nginx", "create directory /etc/nginx/ssl"]),
        (LOGS, "nginx-gateway", ["create directory /var/log/nginx"]),
        (BARE, "nginx-gateway", []),
        (example(), "traefik", []),
    ],
)
def test_volumes_of_an_empty_host(estate: Estate, name: str, changes: list[str]) -> None:
    """A virtual machine mounts its persistent storage; a container gets the owners of its bind mounts."""
    assert SimulatedHost().plan(volume_resources(planning_run(estate), estate.guest(name))) == changes


@pytest.mark.parametrize(
    ("name", "kind", "subject", "changes"),
    [
        ("portainer", "edit", f"{UNITS}/{MOUNT}", [f"update file {UNITS}/{MOUNT}", f"restart unit {MOUNT}"]),
        ("portainer", "stop", MOUNT, [f"start unit {MOUNT}"]),
        ("portainer", "disable", MOUNT, [f"enable unit {MOUNT}"]),
        ("step-ca", "answer", "owner of /etc/step-ca/ssl", ["update directory /etc/step-ca/ssl"]),
    ],
)
def test_drift_of_volumes(name: str, kind: Drift, subject: str, changes: list[str]) -> None:
    """Each drift of a mount is corrected alone."""
    assert drifted(VOLUMES[name], kind, subject) == changes


@pytest.mark.parametrize(
    ("path", "unit"),
    [("/srv", "srv.mount"), ("/srv/data", "srv-data.mount"), ("/persistent-storage", MOUNT)],
)
def test_mount_unit(path: str, unit: str) -> None:
    """The unit of a mount has the name that systemd derives from its path."""
    assert mount_unit(path) == unit


UNIT = f"{UNITS}/phoenix-container-qdrant.service"


@pytest.mark.parametrize(
    ("listed", "has_unit", "is_refused"),
    [
        ("", False, False),
        ("own \nqdrant internal.thinkheads.ai\n", True, False),
        ("qdrant internal.thinkheads.ai\n", False, False),
        ("qdrant \n", True, False),
        ("qdrant \n", False, True),
        ("qdrant another.estate\n", True, True),
        ("own another.estate\n", False, False),
    ],
)
def test_foreign_container(listed: str, has_unit: bool, is_refused: bool) -> None:  # noqa: FBT001 - columns
    """A container with a declared name is refused unless it has the estate's label, or the unit of earlier versions."""
    seen = SimulatedHost().converge(stack("drphoenix")).observe(stack("drphoenix"))
    if not has_unit:
        del seen.stats[UNIT]
    seen.outputs["containers"] = listed
    (containers,) = (resource for resource in stack("drphoenix") if isinstance(resource, ForeignContainers))
    if not is_refused:
        assert containers.changes(seen) == ()
        return
    with pytest.raises(TaskFailedError, match="the Docker container qdrant is not of this estate"):
        containers.changes(seen)


def test_containers_are_labeled() -> None:
    """A unit labels its container, and removes by name only the one that it has started."""
    (unit,) = (part for part in stack("drphoenix") if isinstance(part, Unit) and part.name.endswith("qdrant.service"))
    lines = [line for line in (unit.content or "").splitlines() if "docker r" in line or "docker ps" in line]
    label = "label=phoenix.estate=internal.thinkheads.ai"
    assert [(label.removeprefix("label=") in line, line.partition("=")[0]) for line in lines] == [
        (True, "ExecStartPre"),
        (True, "ExecStartPre"),
        (False, "ExecStop"),
        (True, "ExecStopPost"),
    ]


@pytest.mark.parametrize("is_docker_host", [True, False])
@pytest.mark.parametrize("storage", [STORAGE, None])
def test_former_mount(storage: str | None, is_docker_host: bool) -> None:  # noqa: FBT001 - either kind of machine
    """A machine's mount that is no longer declared is removed; on a Docker host after its containers have changed."""
    estate = with_host(example(), "portainer", persistent_storage=storage, containers={})
    if not is_docker_host:
        estate = without_group(estate, "portainer", "docker")
    guest, run = estate.guest("portainer"), planning_run(estate)
    resources = docker_resources(run, guest) if is_docker_host else volume_resources(run, guest)
    mounts = resources[-1] if is_docker_host else resources[0]
    (probe,) = mounts.probes()
    changes = mounts.changes(Observation(outputs={probe.subject: f"{UNITS}/{MOUNT}\n"}))
    assert [f"{one.verb} {one.resource}" for one in changes] == ([] if storage else [f"remove file {UNITS}/{MOUNT}"])
