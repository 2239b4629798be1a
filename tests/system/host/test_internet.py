"""The lab's Internet: its resolver, package mirror and image registry work, and other addresses are unreachable."""

from __future__ import annotations

import json
import time

import pytest

from phoenix.lab.internet.names import MIRROR, NAMES, REGISTRY
from tests.system.host.own import OwnLab

pytestmark = pytest.mark.timeout(300)
DOCKER = "registry-1.docker.io"
UPDATE = "apt-get -qq update || true"
"""The node has a source that answers 401, as one without a subscription."""


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize("resolver", ["8.8.8.8", "1.1.1.1", "10.0.0.1"])
def test_resolver(running_lab: OwnLab, resolver: str, transport: str) -> None:
    """Each resolver resolves the mirror's name and answers other names with NXDOMAIN."""
    options = [f"@{resolver}", transport, "+tries=1", "+time=2"]
    assert running_lab.inside("client", "dig", *options, "+short", "deb.debian.org").split() == [MIRROR]
    assert "NXDOMAIN" in running_lab.inside("client", "dig", *options, "no.such.example")
    assert "ANSWER: 0" in running_lab.inside("client", "dig", *options, "deb.debian.org", "AAAA")


def test_real_internet_is_unreachable(running_lab: OwnLab) -> None:
    """A connection to an address of the real Internet is rejected at once."""
    began = time.monotonic()
    done = running_lab.run("exec", "client", "--", "curl", "-sS", "-m", "20", "http://93.184.215.14/", limit=40)
    assert done.returncode == 7  # could not connect
    assert time.monotonic() - began < 10


def test_packages_are_installed(running_lab: OwnLab) -> None:
    """The hypervisor installs a package with its dependencies from the lab's own repository."""
    running_lab.inside("pve", "sh", "-c", UPDATE)
    running_lab.inside("pve", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", "install", "jq")
    assert running_lab.inside("pve", "jq", "--version").startswith("jq-")


def test_nfs_stand_ins(running_lab: OwnLab) -> None:
    """The NFS server's stand-in writes the table of exports and opens its port; the client's refuses other paths."""
    install = ["apt-get", "-qq", "-y", "install", "nfs-kernel-server", "nfs-common"]
    running_lab.inside("pve", "sh", "-c", UPDATE)
    running_lab.inside("pve", "env", "DEBIAN_FRONTEND=noninteractive", *install)
    export = (
        "mkdir -p /srv/x /etc/exports.d; echo '/srv/x 10.0.0.0/24(rw,sync)' >/etc/exports.d/t.exports; exportfs -ra"
    )
    running_lab.inside("pve", "sh", "-c", export)
    assert running_lab.inside("pve", "cat", "/run/lab-exports") == "/srv/x 10.0.0.0/24 rw,sync\n"
    running_lab.inside("client", "curl", "-sS", "--connect-timeout", "3", "-m", "3", "telnet://10.0.0.13:2049")
    done = running_lab.run("exec", "pve", "--", "mount", "-t", "nfs4", "10.0.0.13:/srv/x", "/mnt")
    assert done.returncode == 32
    assert b"access denied by server while mounting 10.0.0.13:/srv/x" in done.stderr


@pytest.mark.parametrize("name", ["portainer/agent", "portainer/portainer-ce", "qdrant/qdrant"])
def test_registry(running_lab: OwnLab, name: str) -> None:
    """The registry serves every tag of its images, with a certificate that guests trust."""
    curl = ["curl", "-sSf", "--resolve", f"{DOCKER}:443:{REGISTRY}"]
    manifest = json.loads(running_lab.inside("client", *curl, f"https://{DOCKER}/v2/{name}/manifests/1.2.3"))
    blob = manifest["config"]["digest"]
    config = json.loads(running_lab.inside("client", *curl, f"https://{DOCKER}/v2/{name}/blobs/{blob}"))
    assert config["config"]["Labels"] == {"phoenix.lab": "stand-in"}


def test_names_are_served(running_lab: OwnLab) -> None:
    """Every name of the lab's Internet resolves to an address of its namespace."""
    shown = running_lab.inside("internet", "ip", "-brief", "address")
    assert all(f"{address}/32" in shown for address in NAMES.values())


def test_mirror_serves_packages_only(running_lab: OwnLab) -> None:
    """The mirror does not serve files outside the packages' directory, such as the registry's private key."""
    for path in ("web/server.key", "debian/../web/server.key", ""):
        argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", f"http://{MIRROR}/{path}"]
        assert running_lab.inside("client", *argv) == "404"
