"""The mesh under a constant stream of requests: restarts, renewal of its certificates, and of those behind it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.lab import bench
from tests.lab.edited import inventory
from tests.lab.load import load

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(300)]

BUNDLE = "/etc/phoenix/phoenix_ca_bundle.crt"
QDRANT = f"https://qdrant.{bench.ZONE}/readyz"
PORTAINER = f"https://portainer.{bench.ZONE}/api/system/status"
STORAGE = "/etc/traefik/acme.json"
STRANGER = f"""
set -e
cd $(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=stranger -keyout key -out crt
put() {{ sed -i 's#^\\( *"'$1'": *"\\)[^"]*#\\1'$(base64 -w0 $2)'#' {STORAGE}; }}
put certificate crt
put key key
rm -rf "$PWD"
systemctl restart traefik
"""
LEFT = f"""
for name in {" ".join(bench.SERVICES)}; do
  end=$(openssl s_client -connect 127.0.0.1:8443 -servername $name.{bench.ZONE} -CAfile {BUNDLE} -verify_return_error \
    </dev/null 2>/dev/null | openssl x509 -noout -enddate) || exit 1
  echo $(($(date -d "${{end#*=}}" +%s) - $(date +%s)))
done
"""


def _restart(host: str, unit: str, times: int) -> None:
    for _ in range(times):
        time.sleep(1)
        bench.said(host, f"systemctl restart {unit}")
    time.sleep(1)


def _seconds_left() -> list[int]:
    """How long the certificate that the mesh presents for each name is good; it must verify."""
    return [int(line) for line in bench.said("traefik", LEFT).split()]


def test_restart_of_the_mesh_loses_nothing() -> None:
    """While the mesh is restarted again and again, every request through the edge and straight to it is answered."""
    with (
        load("client", QDRANT, PORTAINER, f"--data x=1 {QDRANT}") as through_edge,
        load("pve", QDRANT, f"--data x=1 {QDRANT}", anchors=BUNDLE) as straight,
    ):
        _restart("traefik", "traefik.service", 4)
    assert through_edge.failures + straight.failures == []
    assert through_edge.done > 20
    assert straight.done > 20
    assert "phoenix_mesh" not in bench.said("traefik", "nft list tables"), "the hold is still there"


def test_restart_of_portainer_loses_nothing() -> None:
    """Portainer, which must be restarted for a new certificate, can be asked all the while."""
    with load("client", PORTAINER, PORTAINER) as seen:
        _restart("portainer", "phoenix-container-portainer.service", 2)
    assert seen.failures == []
    assert seen.done > 20


def test_reload_of_the_edge_loses_nothing() -> None:
    """Nginx takes a new certificate while requests go on."""
    with load("client", QDRANT, f"--data x=1 {QDRANT}") as seen:
        for _ in range(4):
            time.sleep(0.5)
            bench.said("nginx-gateway", "systemctl reload nginx")
    assert seen.failures == []
    assert seen.done > 20


def test_certificates_of_the_mesh_heal(tmp_path: Path) -> None:
    """Those of a stranger are replaced by the next deploy; those nearly over are renewed, and no request is lost."""
    target = ("--target", "step-ca,traefik")
    bench.said("traefik", STRANGER)
    edited = inventory(tmp_path, ("mesh: {lifetime: 30d}", "mesh: {lifetime: 1h}"), file="defaults.yaml")
    try:
        short = bench.deploy(*target, "--inventory", str(edited))
        assert short.status == 0, short.output
        assert all(0 < seconds <= 3600 for seconds in _seconds_left())
        assert bench.said("traefik", f"grep -c '\"certificate\": ' {STORAGE}") == str(len(bench.SERVICES))
    finally:
        with load("client", QDRANT, PORTAINER, f"--data x=1 {QDRANT}") as seen:
            usual = bench.deploy(*target)
    assert usual.status == 0, usual.output
    assert seen.failures == []
    assert seen.done > 20
    assert min(_seconds_left()) > 29 * 24 * 3600
