"""Trust: hosts of `trusted_ca` trust the CA in every store, other hosts do not, and updates lose no request."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system import bench
from tests.system.edited import inventory

pytestmark = pytest.mark.usefixtures("estate")
HEALTH = f"curl -sS --max-time 10 https://ca.{bench.ZONE}:9000/health"


@pytest.mark.parametrize("host", bench.TRUSTED)
def test_trusted_host_accepts_the_authority(host: str) -> None:
    """A host of `trusted_ca` accepts the CA's certificates with its system store."""
    assert "ok" in bench.sh(host, HEALTH)


def test_other_host_does_not() -> None:
    """The CA's own guest is not in the group, and its system store refuses the CA's certificates."""
    status, output = bench.inside("step-ca", HEALTH)
    assert (status, "certificate" in output) == (60, True), output


@pytest.mark.parametrize("host", ["nginx-gateway", "drphoenix", "pve"])
def test_store_is_as_the_distribution_makes_it(host: str) -> None:
    """The distribution's own tool has no change to make afterwards and leaves the bundle as it is."""
    state = "sha256sum /etc/ssl/certs/ca-certificates.crt; ls -l --time-style=+ /etc/ssl/certs | sha256sum"
    before = bench.sh(host, state)
    output = bench.sh(host, "update-ca-certificates 2>&1", limit=120)
    assert "0 added, 0 removed" in output
    assert bench.sh(host, state) == before


@pytest.mark.parametrize("host", ["portainer", "drphoenix"])
def test_docker_trusts_the_authority(host: str) -> None:
    """The Docker daemon accepts the certificate of a server of the estate."""
    _, output = bench.inside(host, f"docker pull ca.{bench.ZONE}:9000/nothing:1 2>&1")
    assert "x509" not in output
    assert "404" in output or "not found" in output.lower(), output


PUBLISHED = f"{bench.CA_DIRECTORY}/phoenix_ca_bundle.crt"
SECOND = f"""
set -e
name=$(openssl x509 -noout -subject -nameopt compat -in {PUBLISHED} | sed 's/^subject= *//')
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "$name" \
  -keyout /root/second.key -out /root/second.crt 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=witness -CA /root/second.crt \
  -CAkey /root/second.key -keyout /dev/null -out /root/witness.crt 2>/dev/null
"""
ENVIRONMENT = """
set -e
mkdir -p /opt/app/lib/python3.11/site-packages/certifi
: >/opt/app/lib/python3.11/site-packages/certifi/cacert.pem
printf '#!/bin/sh\\n' >/usr/local/bin/node
chmod 755 /usr/local/bin/node
mkdir -p /opt/jre/lib/security
echo 'nothing on this host can write it' >/opt/jre/lib/security/cacerts
"""
CLEAN_UP = "rm -rf /opt/app /opt/jre /usr/local/bin/node"
JAVA = "cat /opt/jre/lib/security/cacerts; command -v java keytool; true"
REGISTRY = f"registry.{bench.ZONE}"
FROM_THERE = ("image: qdrant/qdrant:v1.12.4", f"image: {REGISTRY}/qdrant:v1.12.4")
OF_REGISTRIES = "find /etc/docker/certs.d -type f 2>/dev/null; true"
SHOWN = "systemd-run --quiet --wait --pipe env; cat /etc/profile.d/*"
COMPARE = """
set -e
state() { ls -l --time-style=+ /etc/ssl/certs | sed 1d; sha256sum /etc/ssl/certs/ca-certificates.crt; }
state >/tmp/ours
update-ca-certificates --fresh >/dev/null 2>&1
state | diff /tmp/ours -
"""
WATCH = """
while [ ! -e /tmp/enough ]; do
  curl -sf -o /dev/null --max-time 10 http://10.0.0.102:6333/readyz || echo lost
  echo asked
  sleep 0.02
done
"""
ACCEPTS = "openssl verify -CApath /etc/ssl/certs -no-CAfile /dev/stdin <<'PEM'\n%s\nPEM\n"


def distribute(*arguments: str) -> str:
    """Run the runbook; it must succeed. Return its last line."""
    status, output = bench.run(sys.executable, "runbooks/trust.py", "--lab", *arguments, limit=120)
    assert status == 0, output
    return output.strip().splitlines()[-1]


@contextmanager
def watched() -> Iterator[list[str]]:
    """Request a container's page repeatedly during the block; the list holds the results afterwards."""
    answers: list[str] = []
    bench.sh("traefik", "rm -f /tmp/enough")
    with ThreadPoolExecutor(1) as pool:
        watch = pool.submit(bench.sh, "traefik", WATCH, limit=170)
        try:
            yield answers
        finally:
            bench.sh("traefik", "touch /tmp/enough")
            answers += watch.result().split()


@pytest.fixture(scope="module")
def witness(first_deployment: bench.Deployed) -> Iterator[str]:  # noqa: ARG001  # the fixture must run first
    """Publish a second root with the same name; return a certificate that it has signed."""
    bench.sh("pve", f"{SECOND} cp -a {PUBLISHED} /root/kept.crt; cat /root/second.crt >>{PUBLISHED}")
    yield bench.sh("pve", "cat /root/witness.crt")
    bench.sh(
        "pve", f"if [ -e /root/kept.crt ]; then mv /root/kept.crt {PUBLISHED}; fi; rm /root/second.* /root/witness.crt"
    )
    bench.sh("ollama", CLEAN_UP)
    distribute()


@pytest.mark.timeout(180)
def test_second_anchor_comes_and_goes(witness: str, tmp_path: Path) -> None:
    """With two published anchors, every host accepts both; with one again, only that one; no request is lost.

    Docker gets the anchors for a registry of the estate while there is one. A Java store without keytool is unchanged.
    """
    bench.sh("ollama", ENVIRONMENT)
    with_registry = ("--inventory", str(inventory(tmp_path, FROM_THERE)))
    engine = "docker ps --quiet --no-trunc | sort; pidof dockerd"
    before = bench.sh("drphoenix", engine).splitlines()
    with watched() as answers:
        first = distribute(*with_registry)
        accepted = bench.everywhere(bench.TRUSTED, ACCEPTS % witness)
        health = bench.everywhere(bench.TRUSTED, HEALTH)
        stores = bench.everywhere(("drphoenix", "pve"), COMPARE)
        others = bench.sh("ollama", SHOWN)
        after = bench.sh("drphoenix", engine).splitlines()
        registries = bench.sh("drphoenix", f"{OF_REGISTRIES}; grep -v '^#' /etc/docker/certs.d/{REGISTRY}/ca.crt")
        published, java = bench.sh("pve", f"cat {PUBLISHED}"), bench.sh("ollama", JAVA)
        again = distribute(*with_registry)
        bench.sh("pve", f"mv /root/kept.crt {PUBLISHED}")
        bench.sh("ollama", CLEAN_UP)
        distribute()
    assert not first.startswith("0 changes")
    assert {host: status for host, (status, _) in accepted.items()} == dict.fromkeys(bench.TRUSTED, 0), accepted
    assert {host: status for host, (status, _) in health.items()} == dict.fromkeys(bench.TRUSTED, 0), health
    assert stores == {"drphoenix": (0, ""), "pve": (0, "")}
    assert others.count("REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt") == 2
    assert others.count("NODE_EXTRA_CA_CERTS=/etc/phoenix/phoenix_ca_bundle.crt") == 2
    assert (before[:-1], before[-1] != after[-1]) == (after[:-1], True)
    assert registries == f"/etc/docker/certs.d/{REGISTRY}/ca.crt\n{published}"
    assert published.count("BEGIN CERTIFICATE") == 2
    assert bench.sh("drphoenix", OF_REGISTRIES) == ""
    assert java == "nothing on this host can write it"
    assert again.startswith("0 changes")
    refused = bench.everywhere(bench.TRUSTED, ACCEPTS % witness)
    assert 0 not in {status for status, _ in refused.values()}, refused
    assert "phoenix" not in bench.sh("ollama", f"{SHOWN}; find /etc -name '*phoenix-trust*'").replace("phoenix_ca", "")
    assert (answers.count("lost"), answers.count("asked") > 50) == (0, True)


@pytest.mark.timeout(120)
def test_host_that_leaves_the_group_stops_trusting(tmp_path: Path) -> None:
    """A host that leaves `trusted_ca` refuses the CA's certificates, and accepts them when it is back."""
    trusting = "groups: [model_server, lxc, trusted_ca, nvidia]\n  data:\n    vmid: 917"
    without = inventory(tmp_path, (trusting, trusting.replace("trusted_ca, ", "")))
    distribute("--inventory", str(without), "--target", "llamacpp")
    status, output = bench.inside("llamacpp", HEALTH)
    kept = bench.sh("llamacpp", "find /etc /usr/local/share -name 'phoenix_ca*'; update-ca-certificates 2>/dev/null")
    distribute("--target", "llamacpp")
    assert (status, "certificate" in output) == (60, True), output
    assert kept.splitlines()[0].startswith("Updating")
    assert "0 added, 0 removed" in kept
    assert "ok" in bench.sh("llamacpp", HEALTH)


BUNDLE = "/etc/phoenix/phoenix_ca_bundle.crt"
INVOCATION = "systemctl show -p InvocationID --value traefik"


def test_mesh_restarts_only_for_an_unread_bundle() -> None:
    """Correcting a damaged bundle restarts the mesh only if the mesh has started with the damaged one."""
    kept = bench.sh("traefik", f"{INVOCATION}; echo >>{BUNDLE}").splitlines()[0]
    assert distribute("--target", "traefik").startswith("1 changes")
    assert bench.sh("traefik", INVOCATION) == kept
    bench.sh("traefik", f"echo >>{BUNDLE}; systemctl restart traefik", limit=100)
    damaged = bench.sh("traefik", INVOCATION)
    distribute("--target", "traefik")
    assert bench.sh("traefik", INVOCATION) != damaged
    assert bench.sh("traefik", f"cmp {BUNDLE} /run/traefik/anchors.crt && echo same") == "same"
    assert distribute("--target", "traefik").startswith("0 changes")
