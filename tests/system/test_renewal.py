"""Every certificate of the estate is renewed on its own host, without the controller and without a failed request."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.system import bench
from tests.system.edited import inventory
from tests.system.load import EVERY_SERVICE, load
from tests.system.test_certificates import LEAVES

pytestmark = [pytest.mark.usefixtures("minutes"), pytest.mark.timeout(400)]

# The shortest lifetimes that step-ca and Traefik support: leaves of 5 min are due after 20 s, the mesh's after 1 s, and
# Traefik checks once a minute.
MESH_SECONDS = 1201
SHORT = (
    ("leaf: {lifetime: 7d, renew_before: 3d}", "leaf: {lifetime: 5m, renew_before: 280s}"),
    ("mesh: {lifetime: 30d}", f"mesh: {{lifetime: {MESH_SECONDS}s}}"),
)
UNIT = "phoenix-renew-internal-traefik-proxy.service"
SERIALS = (
    "for name in {names}; do echo $name $(echo | timeout 5 openssl s_client -connect 127.0.0.1:8443 -servername $name "
    "2>/dev/null | openssl x509 -noout -serial); done"
)
STORAGE = "/etc/traefik/acme.json"
REPLACE_CERTIFICATE = f"""
set -e
cd $(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=unmanaged -keyout key -out crt
put() {{ sed -i 's#^\\( *"'$1'": *"\\)[^"]*#\\1'$(base64 -w0 $2)'#' {STORAGE}; }}
put certificate crt
put key key
rm -rf "$PWD"
systemctl restart traefik
"""
SECONDS_LEFT = f"""
for name in {" ".join(bench.SERVICES)}; do
  end=$(openssl s_client -connect 127.0.0.1:8443 -servername $name.{bench.ZONE} -verify_return_error \
    -CAfile /etc/phoenix/phoenix_ca_bundle.crt </dev/null 2>/dev/null | openssl x509 -noout -enddate) || exit 1
  echo $(($(date -d "${{end#*=}}" +%s) - $(date +%s)))
done
"""


@pytest.fixture(scope="module")
def minutes(first_deployment: bench.Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:  # noqa: ARG001  # the fixture must run first
    """Replace the mesh's certificate by an unmanaged one, then deploy lifetimes of minutes; restore them at the end."""
    bench.sh("traefik", REPLACE_CERTIFICATE)
    edited = inventory(tmp_path_factory.mktemp("minutes"), *SHORT, file="defaults.yaml")
    deployed = bench.deploy("--inventory", str(edited))
    assert deployed.status == 0, deployed.output
    yield
    deployed = bench.deploy()
    assert deployed.status == 0, deployed.output


def serials() -> dict[str, str]:
    """Return the serial number of each certificate: of leaves from their files, of the mesh's from its server."""
    leaves = {path: bench.sh(host, f"openssl x509 -in {path} -noout -serial") for host, path, _ in LEAVES}
    names = " ".join(f"{service}.{bench.ZONE}" for service in bench.SERVICES)
    lines = bench.sh("traefik", SERIALS.format(names=names)).splitlines()
    return leaves | dict(line.split(" ", 1) for line in lines)


def renewed(since: dict[str, str], limit: float) -> dict[str, str]:
    """Wait until every certificate has another serial number; return the new ones."""
    end = time.monotonic() + limit
    while True:
        now = serials()
        late = [name for name in since if now[name] == since[name]]
        if not late:
            return now
        assert time.monotonic() < end, f"not renewed within {limit} s: {', '.join(late)}"
        time.sleep(2)


def seconds_left() -> list[int]:
    """Return the remaining lifetime of the certificate that the mesh presents for each name; it must verify."""
    return [int(line) for line in bench.sh("traefik", SECONDS_LEFT).split()]


def test_unmanaged_certificates_are_replaced() -> None:
    """The mesh presents the estate's certificate with the new lifetime for each name, and its storage has no other."""
    assert all(MESH_SECONDS - 300 < seconds <= MESH_SECONDS for seconds in seconds_left())
    assert bench.sh("traefik", f"grep -c '\"certificate\": ' {STORAGE}") == str(len(bench.SERVICES))


def test_renewals_under_load() -> None:
    """Every certificate is renewed twice, with the CA down in between, and no request fails."""
    with load("client", *EVERY_SERVICE, pause=0.3, longest=300) as requests:
        first = renewed(serials(), 100)
        bench.sh("step-ca", "systemctl stop step-ca")
        try:
            due = f"while ! systemctl start {UNIT} 2>&1 | grep failed; do sleep 1; done"
            bench.sh("nginx-gateway", f"timeout 100 sh -c '{due}'", limit=120)  # a refusal is lost, as by Proxmox
            failed = bench.inside("nginx-gateway", f"systemctl is-failed {UNIT}")
            journal = bench.sh("nginx-gateway", f"journalctl -u {UNIT} -n 20 --no-pager -o cat")
        finally:
            bench.sh("step-ca", "systemctl start step-ca")
        renewed(first, 120)
    assert requests.failures == []
    assert requests.done > 500
    assert failed == (0, "failed\n")
    assert re.search(r"internal_traefik_proxy.crt was not renewed, it is good until \w+ \d+ [\d:]+ 2\d+ GMT", journal)
    agree = "[ $(served) = $(openssl x509 -in /persistent-storage/portainer/certs/cert.pem -noout -serial) ]"
    shake = "served() { echo | openssl s_client -connect 127.0.0.1:9443 2>/dev/null | openssl x509 -noout -serial; }"
    bench.sh("portainer", f"{shake}; for try in $(seq 20); do {agree} && exit; sleep 1; done; exit 1")


def test_certificates_near_expiry_are_renewed() -> None:
    """With lifetimes of weeks again, the next deployment renews the short-lived certificates without a lost request."""
    with load("client", *EVERY_SERVICE, pause=0.2) as requests:
        run = bench.deploy()
    assert run.status == 0, run.output
    assert requests.failures == []
    assert requests.done > 50
    assert min(seconds_left()) > 29 * 24 * 3600
