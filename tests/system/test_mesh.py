"""Restarts and reloads of mesh, edge and backends lose no request of a constant stream."""

from __future__ import annotations

import time

import pytest

from tests.system import bench
from tests.system.load import load

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(300)]

BUNDLE = "/etc/phoenix/phoenix_ca_bundle.crt"
QDRANT = f"https://qdrant.{bench.ZONE}/readyz"
PORTAINER = f"https://portainer.{bench.ZONE}/api/system/status"


def _restart(host: str, unit: str, times: int) -> None:
    for _ in range(times):
        time.sleep(1)
        bench.sh(host, f"systemctl restart {unit}")
    time.sleep(1)


def test_restart_of_the_mesh_loses_no_request() -> None:
    """While the mesh restarts repeatedly, every request is answered, through the edge and directly."""
    with (
        load("client", QDRANT, PORTAINER, f"--data x=1 {QDRANT}") as through_edge,
        load("pve", QDRANT, f"--data x=1 {QDRANT}", anchors=BUNDLE) as direct,
    ):
        _restart("traefik", "traefik.service", 4)
    assert through_edge.failures + direct.failures == []
    assert through_edge.done > 20
    assert direct.done > 20
    assert "phoenix_mesh" not in bench.sh("traefik", "nft list tables"), "the hold is still there"


def test_restart_of_portainer_loses_no_request() -> None:
    """While Portainer restarts, as it must for a new certificate, every request is answered."""
    with load("client", PORTAINER, PORTAINER) as seen:
        _restart("portainer", "phoenix-container-portainer.service", 2)
    assert seen.failures == []
    assert seen.done > 20


def test_reload_of_the_edge_loses_no_request() -> None:
    """While Nginx reloads, as it does for a new certificate, every request is answered."""
    with load("client", QDRANT, f"--data x=1 {QDRANT}") as seen:
        for _ in range(4):
            time.sleep(0.5)
            bench.sh("nginx-gateway", "systemctl reload nginx")
    assert seen.failures == []
    assert seen.done > 20
