"""What an operator has on hosts stays; what the estate made and no longer declares goes, as the plan says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import bench, edited
from tests.system.test_prediction import changes

pytestmark = pytest.mark.usefixtures("estate")

DOCKER = "/etc/docker/daemon.json"
OWN = {"registry-mirrors": ["https://mirror.test"], "log-opts": {"max-size": "10m"}, "dns": ["9.9.9.9"]}
REGISTERED = "docker ps --format '{{.Names}}'"
SERVICE = """      portainer-agent:
        port: 9001
        scheme: https
        tls: mutual
        aliases: [agent.agent.phoenix.local]
        clients: [portainer, pve]
"""
CONTAINER = """      portainer-agent:
        image: portainer/agent:2.21.5
        ports: ["127.0.0.1:9002:9001"] # loopback only: clients reach the agent through mutual TLS
        volumes:
          - /var/run/docker.sock:/var/run/docker.sock
          - /var/lib/docker/volumes:/var/lib/docker/volumes
"""
STORAGE = "    depends_on: [portainer]\n    persistent_storage: /persistent-storage\n"
CERTS = "/persistent-storage/portainer/certs"
LOG_IN = """
base=https://127.0.0.1:9443/api bundle=/etc/phoenix/phoenix_ca_bundle.crt
body="{\\"username\\":\\"admin\\",\\"password\\":\\"$(cat /persistent-storage/portainer/admin_password)\\"}"
token=$(curl -sS --cacert $bundle -d "$body" $base/auth | sed 's/.*"jwt": *"//; s/".*//')
ask() { curl -sS --cacert $bundle -H "Authorization: Bearer $token" "$@"; }
"""
REGISTER_OWN = f"""{LOG_IN}
ask -F Name=own -F EndpointCreationType=2 -F URL=tcp://portainer-agent.{bench.ZONE}:9001 -F TLS=true \\
  -F TLSCACertFile=@$bundle -F TLSCertFile=@{CERTS}/portainer-server-client.crt \\
  -F TLSKeyFile=@{CERTS}/portainer-server-client.key $base/endpoints
"""


def environments() -> dict[str, int]:
    """Portainer's environments: names and numbers."""
    return {one["Name"]: one["Id"] for one in json.loads(bench.sh("portainer", f"{LOG_IN}\nask $base/endpoints"))}


@pytest.fixture
def restored() -> Iterator[None]:
    """Deploy the estate again after a test that changed what it declares."""
    yield
    bench.sh("drphoenix", "docker rm -f own >/dev/null 2>&1; true")
    deployed = bench.deploy()
    assert deployed.status == 0, deployed.output


@pytest.mark.usefixtures("restored")
def test_docker_host_of_an_operator() -> None:
    """Docker's other settings and containers stay; unreadable settings and a foreign container are refused."""
    bench.sh("drphoenix", f"printf %s '{json.dumps(OWN)}' >{DOCKER}")
    bench.sh("drphoenix", "docker run -d --name own qdrant/qdrant:v1.12.4")
    made = changes(bench.deploy("--target", "drphoenix"))
    assert set(made) == {
        ("drphoenix", f"file {DOCKER}", "update"),
        ("drphoenix", "unit docker.service", "restart"),
    }
    settings = json.loads(bench.sh("drphoenix", f"cat {DOCKER}"))
    assert settings == {**OWN, "dns": ["10.0.0.53"], "dns-search": [bench.ZONE], "live-restore": True}
    assert "own" in bench.sh("drphoenix", REGISTERED).split()
    bench.sh("drphoenix", f"echo '{{' >{DOCKER}")
    refused = bench.deploy("--target", "drphoenix")
    assert (refused.status != 0, f"{DOCKER} is not valid JSON" in refused.errors("drphoenix")) == (True, True)
    assert bench.sh("drphoenix", f"cat {DOCKER}") == "{"
    bench.sh("drphoenix", f"printf %s '{json.dumps(settings)}' >{DOCKER}")
    unit = "phoenix-container-qdrant.service"
    bench.sh("drphoenix", f"systemctl stop {unit}; rm /etc/systemd/system/{unit}; docker rename own qdrant")
    refused = bench.deploy("--target", "drphoenix")
    assert "the Docker container qdrant is not of this estate" in refused.errors("drphoenix")
    bench.sh("drphoenix", "docker rename qdrant own")
    assert bench.deploy("--target", "drphoenix").status == 0
    assert {"own", "qdrant"} <= set(bench.sh("drphoenix", REGISTERED).split())


@pytest.mark.usefixtures("restored")
def test_removed_agent(tmp_path: Path) -> None:
    """An agent's environment, its door, its container and a mount go with the declaration; data and others stay."""
    bench.sh("portainer", REGISTER_OWN)
    bench.sh("drphoenix", "echo kept >/persistent-storage/kept")
    before = environments()
    assert before.keys() >= {"own", "drphoenix"}
    inventory = edited.inventory(
        tmp_path,
        (SERVICE, ""),
        (CONTAINER, ""),
        (STORAGE, "    depends_on: [portainer]\n"),
        ("/persistent-storage/qdrant:/qdrant/storage", "/srv/qdrant:/qdrant/storage"),
    )
    arguments = ("--inventory", str(inventory))
    planned, made = changes(bench.deploy("--dry-run", *arguments)), changes(bench.deploy(*arguments))
    assert (planned - made, made - planned) == ({}, {})
    assert {
        ("portainer", "agents known to Portainer", "remove"),
        ("drphoenix", "unit nginx.service", "stop"),
        ("drphoenix", r"file /etc/systemd/system/persistent\x2dstorage.mount", "remove"),
        ("drphoenix", "file /etc/systemd/system/phoenix-container-portainer-agent.service", "remove"),
        ("pve", "file /etc/exports.d/phoenix.exports", "update"),
    } <= set(made)
    assert changes(bench.deploy(*arguments)) == {}
    assert environments() == {name: id_ for name, id_ in before.items() if name != "drphoenix"}
    assert bench.inside("drphoenix", "mountpoint -q /persistent-storage")[0] != 0
    assert bench.inside("drphoenix", "systemctl is-active nginx")[0] != 0
    assert bench.sh("pve", "cat /quickOS/vm-persistent-data/1002/kept") == "kept"
    bench.sh("portainer", f"{LOG_IN}\nask -X DELETE $base/endpoints/{before['own']}")


@pytest.mark.usefixtures("restored")
def test_machine_deployed_alone() -> None:
    """A new machine that is deployed alone gets its export; those of others stay."""
    exports = bench.sh("pve", "cat /etc/exports.d/phoenix.exports")
    bench.sh("pve", "sed -i '/1002 /d' /etc/exports.d/phoenix.exports && exportfs -ra")
    made = changes(bench.deploy("--target", "drphoenix"))
    assert set(made) == {("pve", "file /etc/exports.d/phoenix.exports", "update")}
    assert sorted(bench.sh("pve", "cat /etc/exports.d/phoenix.exports").splitlines()) == sorted(exports.splitlines())
