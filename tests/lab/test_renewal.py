"""Renewal without the controller: every certificate of the estate is renewed on its own host, and nobody notices."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import bench
from tests.lab.edited import inventory
from tests.lab.load import EVERY_SERVICE, load
from tests.lab.test_certificates import LEAVES

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(500)]

# The shortest lives that the authority and Traefik work with: leaves of 5 min are due after 20 s, the mesh's after 1 s.
SHORT = (
    ("leaf: {lifetime: 7d, renew_before: 3d}", "leaf: {lifetime: 5m, renew_before: 280s}"),
    ("mesh: {lifetime: 30d}", "mesh: {lifetime: 1201s}"),
)
UNIT = "phoenix-renew-internal-traefik-proxy.service"
SERIALS = (
    "for name in {names}; do echo $name $(echo | timeout 5 openssl s_client -connect 127.0.0.1:8443 -servername $name "
    "2>/dev/null | openssl x509 -noout -serial); done"
)


@pytest.fixture
def minutes(tmp_path: Path) -> Iterator[None]:
    """The estate with certificates that live for minutes; afterwards they live as long as before."""
    deployed = bench.deploy("--inventory", str(inventory(tmp_path, *SHORT, file="defaults.yaml")))
    assert deployed.status == 0, deployed.output
    yield
    deployed = bench.deploy()
    assert deployed.status == 0, deployed.output


def serials() -> dict[str, str]:
    """The serial number of each certificate: of leaves in their files, of the mesh's as it presents them."""
    found = {path: bench.said(host, f"openssl x509 -in {path} -noout -serial") for host, path, _ in LEAVES}
    names = " ".join(f"{service}.{bench.ZONE}" for service in bench.SERVICES)
    lines = bench.said("traefik", SERIALS.format(names=names)).splitlines()
    return found | dict(line.split(" ", 1) for line in lines)


def renewed(since: dict[str, str], limit: float) -> dict[str, str]:
    """Wait until every certificate is another one than it was."""
    end = time.monotonic() + limit
    while True:
        now = serials()
        late = [name for name in since if now[name] == since[name]]
        if not late:
            return now
        assert time.monotonic() < end, f"not renewed within {limit} s: {', '.join(late)}"
        time.sleep(3)


def test_renewals_under_load(minutes: None) -> None:  # noqa: ARG001  # short lives
    """Every certificate is renewed again and again, the authority being down in between, and no request ever fails."""
    with load("client", *EVERY_SERVICE, pause=0.3, longest=400) as requests:
        first = renewed(serials(), 100)
        bench.said("step-ca", "systemctl stop step-ca")
        try:
            wait = f"for try in $(seq 80); do systemctl is-failed --quiet {UNIT} && echo failed && exit; sleep 1; done"
            failed = bench.said("nginx-gateway", wait, limit=100)
            why = bench.said("nginx-gateway", f"journalctl -u {UNIT} -n 20 --no-pager -o cat")
        finally:
            bench.said("step-ca", "systemctl start step-ca")
        second = renewed(first, 120)
        renewed(second, 120)
    assert requests.failures == []
    assert requests.done > 500
    assert failed == "failed"
    assert re.search(r"internal_traefik_proxy.crt was not renewed, it is good until \w+ \d+ [\d:]+ 2\d+ GMT", why)
    agree = "[ $(served) = $(openssl x509 -in /persistent-storage/portainer/certs/cert.pem -noout -serial) ]"
    shake = "served() { echo | openssl s_client -connect 127.0.0.1:9443 2>/dev/null | openssl x509 -noout -serial; }"
    bench.said("portainer", f"{shake}; for try in $(seq 20); do {agree} && exit; sleep 1; done; exit 1")
