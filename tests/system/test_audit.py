"""The audit of the deployed estate: no finding for a sound estate, one for every planted fault, and no change."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.system import bench
from tests.unit.phoenix.pki.chains import DAY, make, pem

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(400)]
AGENT = "/persistent-storage/certs/portainer-agent"
SELF_SIGNED = "openssl req -x509 -nodes -newkey"
PLANTED = {
    "drphoenix": f"""
mkdir -p /srv/planted && cd /srv/planted
{SELF_SIGNED} ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=stranger -days 9 -keyout strange.key -out strange.crt
chmod 644 strange.key
echo '# /srv/planted/strange.crt' >/etc/planted.conf
cp -p {AGENT}.crt /var/tmp/agent.crt; cp strange.crt {AGENT}.crt""",
    "ollama": f"""
mkdir -p /srv/planted && cd /srv/planted
{SELF_SIGNED} rsa:1024 -sha1 -subj /CN=weak -days 9 -keyout weak.key -out weak.crt
openssl pkey -in weak.key -aes256 -passout pass:secret -out locked.key
openssl x509 -in weak.crt -outform DER -out /usr/local/share/ca-certificates/planted.crt""",
    "portainer": "systemctl stop phoenix-renew-portainer.timer",
}
REMOVED = {
    "drphoenix": f"cp -p /var/tmp/agent.crt {AGENT}.crt; rm -rf /srv/planted /etc/planted.conf /var/tmp/agent.crt",
    "ollama": "rm -rf /srv/planted /usr/local/share/ca-certificates/planted.crt",
    "portainer": "systemctl start phoenix-renew-portainer.timer",
    "llamacpp": "rm -f /srv/copied.key",
}
STATE = r"""
find /etc /opt /srv /root /home /usr/local /var/lib /persistent-storage /etc/nginx/ssl /etc/step-ca/ssl /tmp -xdev \( \
  -path /var/lib/lab -o -path /var/lib/systemd -o -path /var/lib/docker -o -path '*/data' -o -path '*/db' \) -prune -o \
  -printf '%p %m %U:%G %s %T@ %C@\n' 2>/dev/null | sort -u | sha256sum
systemctl show --property=Id,ActiveEnterTimestampMonotonic nginx docker traefik step-ca 'phoenix-renew-*.timer'
"""
"""Hashes the files that do not change in an idle estate, with their times, and prints the start times of units."""


def audit(*arguments: str) -> tuple[int, str]:
    """Run runbooks/audit.py on the lab."""
    return bench.run(sys.executable, "runbooks/audit.py", "--lab", *arguments, limit=200)


def rows(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the audit; return its status and its rows."""
    status, output = audit("--format", "json", *arguments)
    return status, json.loads(output[output.index("[\n") :])


def red_flags(entries: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Return host, file and kind of every red flag."""
    return {
        (row["host"], row["path"], flag["kind"]) for row in entries for flag in row["flags"] if flag["level"] == "red"
    }


@pytest.fixture
def planted() -> Iterator[None]:
    """Plant faults of every kind on several hosts, and remove them after the test."""
    try:
        for host, script in PLANTED.items():
            bench.sh(host, f"set -e\n{script}")
        dead = pem([make("dead", "dead", begin=-9 * DAY, end=-DAY)]).encode()
        assert bench.inside("ollama", "cat >/srv/planted/dead.crt", data=dead)[0] == 0
        key = bench.sh("drphoenix", "cat /srv/planted/strange.key")
        assert bench.inside("llamacpp", "umask 077; cat >/srv/copied.key", data=key.encode() + b"\n")[0] == 0
        yield
    finally:
        for host, script in REMOVED.items():
            bench.sh(host, script)


def test_the_estate_is_sound(tmp_path: Path) -> None:
    """The audit of the deployed estate has no red row, changes no file and restarts no unit."""
    hosts = ("pve", *bench.GUESTS)
    before = bench.everywhere(hosts, STATE)
    file = tmp_path / "audit.csv"
    status, output = audit("--format", "csv", "--output", str(file))
    entries = list(csv.DictReader(StringIO(file.read_text("utf-8"))))
    assert [row for row in entries if row["status"] == "red"] == []
    assert (status, output.strip()) == (0, "")
    assert bench.everywhere(hosts, STATE) == before
    assert {row["host"] for row in entries} == set(hosts)
    mesh = {r["path"] for r in entries if r["path"].startswith("/etc/traefik/acme.json#") and r["kind"] == "key"}
    assert len(mesh) == len(bench.SERVICES) + 1  # and the ACME account's
    own = [row for row in entries if row["host"] == "step-ca" and row["path"].endswith("ssl/secrets/root_ca_key")]
    assert [row["flags"] for row in own] == ["encrypted: behind a password"]


@pytest.mark.usefixtures("planted")
def test_every_planted_fault_is_found() -> None:
    """Unmanaged, weak, expired, readable, copied, swapped and untrusted files and a stopped timer are all flagged."""
    status, entries = rows()
    strange, weak = ("drphoenix", "/srv/planted/strange"), ("ollama", "/srv/planted/weak")
    assert status == 1
    assert red_flags(entries) == {
        (strange[0], f"{strange[1]}.crt", "stranger"),
        (strange[0], f"{strange[1]}.key", "stranger"),
        (strange[0], f"{strange[1]}.key", "world-readable"),
        (strange[0], f"{strange[1]}.key", "duplicate"),
        ("drphoenix", f"{AGENT}.crt", "wrong"),
        ("drphoenix", f"{AGENT}.crt", "served"),
        ("llamacpp", "/srv/copied.key", "duplicate"),
        ("portainer", "/persistent-storage/portainer/certs/cert.pem", "renewal failed"),
        (weak[0], f"{weak[1]}.crt", "weak"),
        (weak[0], f"{weak[1]}.key", "weak"),
        ("ollama", "/srv/planted/dead.crt", "expired"),
        ("ollama", "/usr/local/share/ca-certificates/planted.crt", "anchor"),
        ("ollama", "/usr/local/share/ca-certificates/planted.crt", "stranger"),
        ("ollama", "/usr/local/share/ca-certificates/planted.crt", "weak"),
    }
    by_path = {row["path"]: row for row in entries}
    assert by_path["/srv/planted/strange.crt"]["readers"] == ["/etc/planted.conf"]
    assert [flag["kind"] for flag in by_path["/srv/planted/locked.key"]["flags"]] == ["encrypted", "stranger"]
    assert by_path[f"{AGENT}.crt"]["readers"] == ["nginx"]
    weaknesses = {flag["text"] for flag in by_path["/srv/planted/weak.crt"]["flags"] if flag["kind"] == "weak"}
    assert weaknesses == {"its key is RSA 1024", "signed by SHA1"}


def test_unreachable_host() -> None:
    """A stopped guest gets a red flag, and the other hosts are still audited."""
    bench.sh("pve", "pct stop 917")
    try:
        status, entries = rows("--target", "llamacpp", "--target", "ollama")
    finally:
        bench.sh("pve", "pct start 917")
        bench.sh("llamacpp", "systemctl is-system-running --wait || true")
    assert (status, red_flags(entries)) == (1, {("llamacpp", "-", "unasked")})
    assert "ollama" in {row["host"] for row in entries}


def test_table() -> None:
    """The table of one host is at most 120 columns wide and has a line for the leaf with its key."""
    status, output = audit("--target", "nginx-gateway")
    assert status == 0, output
    lines = output.splitlines()
    assert max(map(len, lines)) <= 120
    (leaf,) = [line for line in lines if "traefik_proxy.crt" in line]
    assert f"*.{bench.ZONE}" in leaf
    assert "0644 0600 root" in leaf
    assert leaf.split()[-5:-3] == ["EC", "P-256"]


def test_wrong_input() -> None:
    """An unknown target gives status 2, and so does an unknown format."""
    assert audit("--target", "nobody")[0] == 2
    assert audit("--format", "xml")[0] == 2
