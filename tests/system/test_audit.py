"""The audit of the deployed estate: sound when it is, and every planted fault found in a look that changes nothing."""

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
"""Every file that nobody writes while nothing is done, with its times, and since when units have been running."""


def audit(*arguments: str) -> tuple[int, str]:
    """Run runbooks/audit.py on the lab."""
    return bench.run(sys.executable, "runbooks/audit.py", "--lab", *arguments, limit=200)


def rows(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The audit's status and its rows."""
    status, output = audit("--format", "json", *arguments)
    return status, json.loads(output[output.index("[\n") :])


def flags(found: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Host, file and kind of everything that was said and is red."""
    return {
        (row["host"], row["path"], flag["kind"]) for row in found for flag in row["flags"] if flag["level"] == "red"
    }


@pytest.fixture
def planted() -> Iterator[None]:
    """Faults of every sort on several hosts, taken away again."""
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
    """Of the deployed estate nothing is red, and the look has changed no file and started no unit anew."""
    hosts = ("pve", *bench.GUESTS)
    before = bench.everywhere(hosts, STATE)
    file = tmp_path / "audit.csv"
    status, output = audit("--format", "csv", "--output", str(file))
    found = list(csv.DictReader(StringIO(file.read_text("utf-8"))))
    assert [row for row in found if row["status"] == "red"] == []
    assert (status, output.strip()) == (0, "")
    assert bench.everywhere(hosts, STATE) == before
    assert {row["host"] for row in found} == set(hosts)
    mesh = {row["path"] for row in found if row["path"].startswith("/etc/traefik/acme.json#") and row["kind"] == "key"}
    assert len(mesh) == len(bench.SERVICES) + 1  # and the account's
    own = [row for row in found if row["host"] == "step-ca" and row["path"].endswith("ssl/secrets/root_ca_key")]
    assert [row["flags"] for row in own] == ["encrypted: behind a password"]


@pytest.mark.usefixtures("planted")
def test_every_planted_fault_is_found() -> None:
    """Strangers, weak, expired, open, copied, swapped and untrusted ones and a stopped timer are each called so."""
    status, found = rows()
    strange, weak = ("drphoenix", "/srv/planted/strange"), ("ollama", "/srv/planted/weak")
    assert status == 1
    assert flags(found) == {
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
    by_path = {row["path"]: row for row in found}
    assert by_path["/srv/planted/strange.crt"]["readers"] == ["/etc/planted.conf"]
    assert [flag["kind"] for flag in by_path["/srv/planted/locked.key"]["flags"]] == ["encrypted", "stranger"]
    assert by_path[f"{AGENT}.crt"]["readers"] == ["nginx"]
    weaknesses = {flag["text"] for flag in by_path["/srv/planted/weak.crt"]["flags"] if flag["kind"] == "weak"}
    assert weaknesses == {"its key is RSA 1024", "signed by SHA1"}


def test_a_host_that_cannot_be_asked() -> None:
    """A stopped guest is named and red, and the others are listed all the same."""
    bench.sh("pve", "pct stop 917")
    try:
        status, found = rows("--target", "llamacpp", "--target", "ollama")
    finally:
        bench.sh("pve", "pct start 917")
        bench.sh("llamacpp", "systemctl is-system-running --wait || true")
    assert (status, flags(found)) == (1, {("llamacpp", "-", "unasked")})
    assert "ollama" in {row["host"] for row in found}


def test_a_table_for_people() -> None:
    """The table of one host is no wider than 120 columns and has a line for the leaf with its key."""
    status, output = audit("--target", "nginx-gateway")
    assert status == 0, output
    lines = output.splitlines()
    assert max(map(len, lines)) <= 120
    (leaf,) = [line for line in lines if "traefik_proxy.crt" in line]
    assert f"*.{bench.ZONE}" in leaf
    assert "0644 0600 root" in leaf
    assert leaf.split()[-5:-3] == ["EC", "P-256"]


def test_wrong_input() -> None:
    """A target that is none gives 2, and so does a format that is none."""
    assert audit("--target", "nobody")[0] == 2
    assert audit("--format", "xml")[0] == 2
