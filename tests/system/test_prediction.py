"""A plan predicts a deployment: for each drift, the changes of `--dry-run` are those that the run then makes."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.system import bench

pytestmark = pytest.mark.usefixtures("estate")

LXC = "/mnt/pve/quickOS/lxc-persistent-data"
CERTS = "/persistent-storage/portainer/certs"
SWAP = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=other -days 9 -out {0} 2>/dev/null"
)
SWAP = f"{SWAP} -keyout /dev/null"
DRIFTS = {
    "a mount is gone": {"portainer": "umount -l /persistent-storage", "traefik": "systemctl stop traefik"},
    "a mount has another owner": {
        "pve": f"chown 0:0 {LXC}/101/ssl {LXC}/101/logs {LXC}/103/ssl",
        "nginx-gateway": "true",
        "step-ca": "true",
        "drphoenix": "docker rm -f qdrant; systemctl stop phoenix-container-qdrant",
    },
    "a leaf is swapped": {
        "portainer": SWAP.format(f"{CERTS}/portainer-server-client.crt"),
        "nginx-gateway": SWAP.format("/etc/nginx/ssl/internal_traefik_proxy.crt"),
        "drphoenix": "rm /persistent-storage/certs/portainer-agent.key",
    },
    "a server's leaf is swapped": {
        "portainer": SWAP.format(f"{CERTS}/cert.pem"),
        "traefik": "printf '{' >/etc/traefik/acme.json; systemctl restart traefik",
        "pve": "systemctl stop phoenix-dns-lan",
    },
    "a unit is stopped": {
        "portainer": "systemctl stop phoenix-container-portainer",
        "drphoenix": "systemctl stop docker",
        "step-ca": "systemctl stop step-ca",
        "nginx-gateway": "systemctl disable -q --now nginx",
        "ollama": "rm /usr/local/share/ca-certificates/phoenix_ca.crt",
    },
    "a configuration is edited": {
        "portainer": "echo '# edited' >>/etc/systemd/system/phoenix-container-portainer.service",
        "drphoenix": "sed -i 's/true/false/' /etc/docker/daemon.json; echo '# edited' >>/etc/nginx/conf.d/phoenix.conf",
        "traefik": "rm /etc/traefik/dynamic/qdrant.yml; echo '# edited' >>/etc/traefik/traefik.yml",
        "pve": "echo '# edited' >>/etc/exports.d/phoenix.exports; rm /etc/phoenix/dns/lan-hosts",
        "nginx-gateway": "echo '# edited' >>/usr/local/lib/phoenix/reload-nginx",
    },
    "a package is gone": {
        "nginx-gateway": "dpkg --remove --force-depends curl >/dev/null 2>&1",
        "drphoenix": "dpkg --remove --force-depends nginx >/dev/null 2>&1; systemctl stop nginx",
        "portainer": "docker kill portainer; rm -f /usr/local/bin/step",
        "traefik": "systemctl disable -q traefik; rm /etc/phoenix/phoenix_ca_bundle.crt",
        "step-ca": "chmod 644 /etc/step-ca/ssl/config/ca.json; echo nameserver 1.1.1.1 >/etc/resolv.conf",
    },
}
"""What is done behind Phoenix's back: shell by host."""


def changes(deployed: bench.Deployed) -> Counter[tuple[str, str, str]]:
    """The changes of a run as host, resource and verb."""
    assert deployed.status == 0, deployed.output
    return Counter(
        (host, change["resource"], change["action"])
        for host, entry in deployed.record["hosts"].items()
        for task in entry["tasks"]
        for change in task["changes"]
    )


@pytest.mark.parametrize("name", DRIFTS)
def test_plan_is_what_is_made(name: str) -> None:
    """The plan lists exactly what the run makes, and nothing is left for a second run."""
    drifts = DRIFTS[name]
    for host, script in drifts.items():
        bench.sh(host, script)
    target = ("--target", ",".join(drifts))
    planned, made = changes(bench.deploy("--dry-run", *target)), changes(bench.deploy(*target))
    assert set(drifts) - {host for host, _, _ in planned} <= {h for h, script in drifts.items() if script == "true"}
    assert (planned - made, made - planned) == (Counter(), Counter())
    assert changes(bench.deploy(*target)) == Counter()
