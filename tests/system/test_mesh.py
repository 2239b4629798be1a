"""Mesh, edge and what is behind them under a constant stream of requests: restarts and reloads lose none."""

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
    assert "phoenix_mesh" not in bench.sh("traefik", "nft list tables"), "the hold is still there"


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
            bench.sh("nginx-gateway", "systemctl reload nginx")
    assert seen.failures == []
    assert seen.done > 20
