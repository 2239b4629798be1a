"""Repeated deployments: no change without drift, drift shown and corrected, destroyed guests recreated."""

from __future__ import annotations

import sys

import pytest

from tests.system import bench
from tests.system.pve_api import open_lab

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(500)]
FILES = (
    "find /etc /usr/local /opt /persistent-storage -xdev -type f "
    "! -path '*/step-ca/ssl/db/*' ! -path '*/portainer/data/*' ! -name .updated "
    "-printf '%p %i %T@ %m %U:%G\\n' 2>/dev/null | sort"
)
STARTS = (
    "systemctl list-units --type=service --state=running --plain --no-legend | cut -d' ' -f1 | "
    "grep -v -e ^user@ -e session- | "
    "xargs systemctl show -p Id -p ActiveEnterTimestampMonotonic -p MainPID | sort"
)


def _snapshot(hosts: tuple[str, ...]) -> dict[str, tuple[int, str]]:
    """Return files with inode, modification time, mode and owner, and running services with their start times."""
    return bench.everywhere(hosts, f"{FILES}; {STARTS}")


def test_second_run_changes_nothing() -> None:
    """A second run changes nothing, restarts no service, and asks each guest once."""
    hosts = ("pve", *bench.GUESTS)
    before = _snapshot(hosts)
    again = bench.deploy()
    assert again.status == 0, again.output
    assert (again.record["changed"], again.record["failed"]) == (0, []), again.changes
    assert _snapshot(hosts) == before
    trips = {name: again.record["hosts"][name]["round_trips"] for name in hosts}
    assert trips == {"pve": 3, **dict.fromkeys(bench.GUESTS, 1)}  # the node: preflight, observation, proof


def test_target_touches_nothing_else() -> None:
    """A run on one guest corrects that guest and leaves all other hosts unchanged."""
    others = tuple(name for name in ("pve", *bench.GUESTS) if name != "traefik")
    bench.sh("traefik", "echo '# edited' >>/etc/traefik/traefik.yml")
    before = _snapshot(others)
    run = bench.deploy("--target", "traefik")
    assert run.status == 0, run.output
    assert {host for host, _ in run.changes} == {"traefik"}
    assert _snapshot(others) == before
    assert bench.sh("traefik", "grep -c '# edited' /etc/traefik/traefik.yml || true") == "0"


DRIFT = (
    ("nginx-gateway", "echo '# edited' >>/etc/nginx/conf.d/phoenix.conf", "/etc/nginx/conf.d/phoenix.conf"),
    ("nginx-gateway", "chmod 644 /etc/nginx/ssl/internal_traefik_proxy.key", "internal_traefik_proxy.crt"),
    ("traefik", "touch /etc/traefik/dynamic/unmanaged.yml", "/etc/traefik/dynamic/unmanaged.yml"),
    ("drphoenix", "systemctl stop phoenix-container-qdrant", "phoenix-container-qdrant.service"),
    ("step-ca", "chmod 600 /etc/step-ca/ssl/phoenix_ca.crt", "/etc/step-ca/ssl/phoenix_ca.crt"),
    (
        "pve",
        "echo 10.0.0.99 extra.internal.thinkheads.ai >>/etc/phoenix/dns/lan-hosts",
        "/etc/phoenix/dns/lan-hosts",
    ),
    ("ollama", "rm /etc/ssl/certs/phoenix_ca.pem", "trust store"),
)


def test_drift_is_shown_and_corrected() -> None:
    """A dry run shows every edit and changes no host; the next run corrects them all."""
    for host, script, _ in DRIFT:
        bench.sh(host, script)
    dry = bench.deploy("--dry-run", "--diff")
    assert dry.status == 0, dry.output
    for host, _, resource in DRIFT:
        assert any(h == host and resource in r for h, r in dry.changes), f"{host}: {resource} is not in {dry.changes}"
    assert "+10.0.0.99" not in dry.output
    assert "-10.0.0.99 extra.internal.thinkheads.ai" in dry.output
    assert bench.sh("nginx-gateway", "grep -c '# edited' /etc/nginx/conf.d/phoenix.conf") == "1"
    corrected = bench.deploy()
    assert corrected.status == 0, corrected.output
    assert sorted(corrected.changes) == sorted(dry.changes)
    again = bench.deploy()
    assert again.record["changed"] == 0, again.changes


def test_firewall_edits_are_corrected() -> None:
    """A dry run shows a removed, an added and a disabled rule in Proxmox, and the next run corrects only those."""
    rules = open_lab().node.lxc("102").firewall.rules
    first, second = rules.get()[:2]
    rules(second["pos"]).put(enable=0)
    rules(first["pos"]).delete()
    rules.post(type="in", action="ACCEPT", proto="tcp", dport="2375", enable=1, comment="for a test")
    dry = bench.deploy("--dry-run", "--diff")
    reasons = " ".join(change["reason"] for task in dry.record["hosts"]["pve"]["tasks"] for change in task["changes"])
    assert "2375" in reasons
    assert {resource for _, resource in dry.changes} == {"firewall of traefik"}
    corrected = bench.deploy()
    assert corrected.status == 0, corrected.output
    comments = [rule["comment"] for rule in rules.get()]
    assert first["comment"] in comments
    assert second["comment"] in comments
    assert "for a test" not in comments
    assert all(rule["enable"] == 1 for rule in rules.get())


EDGE_AND_MESH, DOCKER_HOSTS = ("nginx-gateway", "traefik"), ("portainer", "drphoenix")
MODELS = tuple(name for name in bench.GUESTS if name not in ("step-ca", *EDGE_AND_MESH, *DOCKER_HOSTS))


@pytest.mark.parametrize(
    "guests",
    [("step-ca",), EDGE_AND_MESH, DOCKER_HOSTS, MODELS],
    ids=["authority", "edge and mesh", "Docker hosts", "models"],
)
def test_destroyed_guests_are_recreated(guests: tuple[str, ...]) -> None:
    """A deployment recreates destroyed guests; the root and existing leaves are unchanged."""
    root = bench.sh("pve", f"sha256sum {bench.CA_DIRECTORY}/phoenix_ca.crt")
    leaf = bench.sh("nginx-gateway", "sha256sum /etc/nginx/ssl/internal_traefik_proxy.crt")
    destroy = (sys.executable, "runbooks/destroy.py", "--lab", "--target", ",".join(guests), "--yes")
    status, output = bench.run(*destroy, limit=120)
    assert status == 0, output
    assert all(bench.inside(guest, "true")[0] != 0 for guest in guests)
    recreated = bench.deploy()
    assert recreated.status == 0, recreated.output
    assert bench.sh("pve", f"sha256sum {bench.CA_DIRECTORY}/phoenix_ca.crt") == root
    assert bench.sh("nginx-gateway", "sha256sum /etc/nginx/ssl/internal_traefik_proxy.crt") == leaf
    for name, page in bench.PAGES.items():
        status, output = bench.fetch(name, page)
        assert status == 0, output
