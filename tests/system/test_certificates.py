"""Certificates and secrets: provisioners, locations and modes of keys, and absence of secrets elsewhere."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system import bench

pytestmark = pytest.mark.usefixtures("estate")

LEAVES = (
    ("nginx-gateway", "/etc/nginx/ssl/internal_traefik_proxy.crt", "/etc/nginx/ssl/internal_traefik_proxy.key"),
    ("portainer", "/persistent-storage/portainer/certs/cert.pem", "/persistent-storage/portainer/certs/key.pem"),
    (
        "portainer",
        "/persistent-storage/portainer/certs/portainer-server-client.crt",
        "/persistent-storage/portainer/certs/portainer-server-client.key",
    ),
    ("drphoenix", "/persistent-storage/certs/portainer-agent.crt", "/persistent-storage/certs/portainer-agent.key"),
)


TOKEN = re.compile("eyJhbGciOiJFUzI1NiIs[A-Za-z0-9_-]{40,}")  # {"alg":"ES256",…


def _provisioner(host: str, file: str) -> str:
    """Return the provisioner in step-ca's own extension of a certificate (1.3.6.1.4.1.37476.9000.64.1)."""
    return bench.sh(host, f"openssl x509 -in {file} -noout -text | grep -A1 37476.9000.64.1 | tail -n 1")


@pytest.mark.parametrize(("host", "certificate", "key"), LEAVES)
def test_leaf_is_issued_by_token_and_verifies(host: str, certificate: str, key: str) -> None:
    """Each declared leaf was issued by the token provisioner and verifies, and its key has mode 0600."""
    assert "admin@thinkheads.ai" in _provisioner(host, certificate)
    anchor = "/usr/local/share/ca-certificates/phoenix_ca.crt"
    bench.sh(host, f"openssl verify -CAfile {anchor} -untrusted {certificate} {certificate}")
    assert bench.sh(host, f"stat -c '%U:%G %a' {key}") == "root:root 600"


@pytest.mark.parametrize("name", bench.SERVICES)
def test_mesh_certificate_is_issued_by_acme(name: str) -> None:
    """The certificate that the mesh presents for a route was issued by ACME."""
    connect = f"echo | openssl s_client -connect 127.0.0.1:8443 -servername {name}.{bench.ZONE}"
    show = f"{connect} 2>/dev/null | openssl x509 -text"
    text = bench.sh("traefik", show)
    assert f"DNS:{name}.{bench.ZONE}" in text
    lines = text.splitlines()
    extension = next(index for index, line in enumerate(lines) if "37476.9000.64.1" in line)
    assert "acme" in lines[extension + 1]


def test_every_key_is_on_one_host_only() -> None:
    """A leaf's private key exists only on the machine that generated it."""
    public = {key: bench.sh(host, f"openssl pkey -in {key} -pubout") for host, _, key in LEAVES}
    search = (
        "for f in $(grep -rlE 'BEGIN (EC )?PRIVATE KEY' --exclude-dir=docker --exclude-dir=vz --exclude-dir=lxc "
        "/etc /root /home /tmp /run /opt /srv /var/lib /persistent-storage 2>/dev/null); "
        "do openssl pkey -in $f -pubout 2>/dev/null; done"
    )
    keys = bench.everywhere(("pve", "client", *bench.GUESTS), search)
    for host, _, key in LEAVES:
        others = [name for name, (_, output) in keys.items() if name != host and public[key] in output]
        # A VM's persistent storage is a directory of the hypervisor.
        assert [name for name in others if not (name == "pve" and key.startswith("/persistent-storage"))] == []


def test_root_is_published_beside_the_state() -> None:
    """The exported file is readable and contains only the CA's root."""
    exported = bench.sh("pve", f"cat {bench.CA_DIRECTORY}/phoenix_ca.crt")
    assert exported == bench.sh("step-ca", "cat /etc/step-ca/ssl/certs/root_ca.crt")
    assert exported.count("BEGIN CERTIFICATE") == 1
    assert bench.sh("pve", f"stat -c %a {bench.CA_DIRECTORY}/phoenix_ca.crt") == "644"


def test_root_is_constrained_to_the_estate() -> None:
    """Root and intermediate have critical name constraints for the estate's zones and networks."""
    for file in ("root_ca.crt", "intermediate_ca.crt"):
        text = bench.sh("step-ca", f"openssl x509 -in /etc/step-ca/ssl/certs/{file} -noout -text")
        assert "X509v3 Name Constraints: critical" in text
        assert "DNS:internal.thinkheads.ai" in text
        assert "IP:10.0.0.0/255.255.255.0" in text


def test_authority_state_is_in_its_guest_only() -> None:
    """The CA's state is mounted only in 103, owned by its user's shifted id, with mode 0700."""
    assert bench.sh("pve", f"stat -c '%u:%g %a' {bench.CA_DIRECTORY}") == "100800:100800 700"
    assert bench.sh("step-ca", "stat -c '%U:%G %a' /etc/step-ca/ssl") == "step:step 700"
    key = bench.sh("step-ca", "stat -c '%U %a' /etc/step-ca/ssl/secrets/intermediate_ca_key")
    assert key == "step 600"
    seen = bench.everywhere(("client", *(name for name in bench.GUESTS if name != "step-ca")), "ls /etc/step-ca 2>&1")
    assert {name: output for name, (status, output) in seen.items() if status == 0} == {}


def test_secrets_are_nowhere_else(first_deployment: bench.Deployed) -> None:
    """The CA's passwords and tokens are in no record, output, journal or file outside 103."""
    names = ("password", "provisioner_password")
    secrets = [bench.sh("step-ca", f"cat /etc/step-ca/ssl/secrets/{name}") for name in names]
    admin = bench.sh("portainer", "cat /persistent-storage/portainer/admin_password")
    written = first_deployment.output + json.dumps(first_deployment.record)
    assert [secret for secret in (*secrets, admin) if secret in written] == []
    assert not TOKEN.search(written), "a token is in the output"
    look = (
        "{ journalctl --no-pager -o cat; for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$p; done; "
        "grep -rhoE 'eyJhbGci[A-Za-z0-9_-]{40,}' /etc /root /tmp /run /var/log 2>/dev/null; } 2>/dev/null"
    )
    for host, (_, output) in bench.everywhere(("pve", *bench.GUESTS), look).items():
        assert not any(secret in output for secret in secrets), f"a password of the authority is on {host}"
        assert not TOKEN.search(output), f"a token is left on {host}"


def test_no_process_shows_a_token() -> None:
    """While a leaf is reissued, no command line on its host or in the CA's guest contains a token."""
    watch = (
        "end=$(($(date +%s) + 14)); while [ $(date +%s) -lt $end ]; do "
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -ao 'eyJ[A-Za-z0-9_-]*' | grep -v '^eyJ$'; "
        "[ -e /run/watch-ends ] && break; done; rm -f /run/watch-ends; true"
    )
    bench.sh("nginx-gateway", "rm /etc/nginx/ssl/internal_traefik_proxy.crt")
    with ThreadPoolExecutor(2) as pool:
        seen = [pool.submit(bench.sh, host, watch) for host in ("nginx-gateway", "step-ca")]
        run = bench.deploy("--target", "nginx-gateway")
        for host in ("nginx-gateway", "step-ca"):
            bench.sh(host, "touch /run/watch-ends")
        tokens = [watched.result() for watched in seen]
    assert ("nginx-gateway", "certificate /etc/nginx/ssl/internal_traefik_proxy.crt") in run.changes
    assert tokens == ["", ""]


def test_agent_demands_the_client_certificate() -> None:
    """The agent accepts Portainer's client leaf; it refuses no certificate and another leaf of the estate."""
    certs = "/persistent-storage/portainer/certs"
    ping = f"curl -sS -o /dev/null -w '%{{http_code}}' --max-time 10 https://portainer-agent.{bench.ZONE}:9001/ping"
    client = f"--cert {certs}/portainer-server-client.crt --key {certs}/portainer-server-client.key"
    assert bench.sh("portainer", f"{ping} {client}") == "204"
    assert bench.sh("portainer", ping) == "400"
    assert bench.sh("portainer", f"{ping} --cert {certs}/cert.pem --key {certs}/key.pem") == "403"


def test_portainer_knows_its_agent() -> None:
    """Portainer's API lists the agent's host as an environment."""
    script = """
cd "$(mktemp -d)" && umask 077
printf '{"username":"admin","password":"%s"}' "$(cat /persistent-storage/portainer/admin_password)" >login
curl -fsS -H 'Content-Type: application/json' --data @login https://127.0.0.1:9443/api/auth >token
printf 'Authorization: Bearer %s' "$(sed 's/.*"jwt" *: *"\\([^"]*\\)".*/\\1/' token)" >header
curl -fsS -H @header https://127.0.0.1:9443/api/endpoints; rm -rf "$PWD"
"""
    endpoints = json.loads(bench.sh("portainer", script))
    assert [(e["Name"], e["URL"]) for e in endpoints] == [("drphoenix", f"tcp://portainer-agent.{bench.ZONE}:9001")]
