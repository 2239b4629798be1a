"""A declared service answers, a removed one is gone, and no other service restarts for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system import bench
from tests.system.edited import inventory

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(400)]

DECLARED = "      ollama: {port: 11434, expose: true, health: /api/tags}\n"
ADDED = DECLARED + "      ollama-extra: {port: 11500, expose: true}\n"
LISTEN = "systemd-run --quiet --unit=extra --collect python3 -m http.server 11500 --directory /var/empty"


def _started() -> dict[str, str]:
    show = "systemctl show -p ActiveEnterTimestampMonotonic -p MainPID {}"
    return {
        host: bench.sh(host, show.format(unit))
        for host, unit in (("traefik", "traefik"), ("nginx-gateway", "nginx"), ("drphoenix", "docker"))
    }


def test_service_comes_and_goes(tmp_path: Path) -> None:
    """One deployment adds a service's route, certificate, record and openings; one without it removes them all."""
    bench.sh("ollama", f"mkdir -p /var/empty; systemctl is-active --quiet extra || {LISTEN}")
    before = _started()
    try:
        added = bench.deploy("--inventory", str(inventory(tmp_path, (DECLARED, ADDED))))
        assert added.status == 0, added.output
        status, output = bench.fetch("ollama-extra")
        assert status == 0, output
        assert _started() == before, "a program was restarted for a new service"
        assert bench.sh("client", f"dig +short @10.0.0.13 ollama-extra.{bench.ZONE}") == "10.0.0.153"
    finally:
        gone = bench.deploy()
        bench.inside("ollama", "systemctl stop extra")
    assert gone.status == 0, gone.output
    assert "NXDOMAIN" in bench.sh("client", f"dig @10.0.0.13 ollama-extra.{bench.ZONE}")
    at_edge = f"curl -sS --max-time 5 --cacert {bench.CLIENT_ROOT} --connect-to ::10.0.0.153:443 https://ollama-extra.{bench.ZONE}/"
    assert bench.inside("client", at_edge)[0] == 35
    rules = bench.sh("pve", "nft list table inet pvefw")
    assert "11500" not in rules
    assert "ollama-extra" not in bench.sh(
        "traefik", 'ls /etc/traefik/dynamic; grep -o \'"main": *"[^"]*"\' /etc/traefik/acme.json'
    )
    connect = f"echo | openssl s_client -connect 127.0.0.1:443 -servername ollama-extra.{bench.ZONE} 2>/dev/null"
    assert "ollama-extra" not in bench.inside("traefik", f"{connect} | openssl x509 -noout -text")[1]
