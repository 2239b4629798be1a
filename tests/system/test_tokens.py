"""One-time tokens: each is used once, and none is visible in a process list, a log or a file."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from tests.system import bench
from tests.system.edited import inventory

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(600)]

MANY = 200
FOLDERS = {"drphoenix": "/persistent-storage/certs", "traefik": "/etc/phoenix/tls"}
DECLARED = {
    "drphoenix": "      thinkheads-ai: {port: 8000, expose: true, health: /health}\n",
    "traefik": "      traefik: {port: 8080, expose: true, health: /ping} # the mesh's dashboard\n",
}
NUMBERS = {"drphoenix": range(MANY // 2), "traefik": range(MANY // 2, MANY)}
MORE = {
    host: "".join(f"      leaf-{number}: {{port: {20000 + number}, scheme: https}}\n" for number in numbers)
    for host, numbers in NUMBERS.items()
}
TOKEN = "[e]yJhbGciOiJFUzI1NiIs"  # {"alg":"ES256",…: the start of every token, as a pattern that does not match itself
WATCH = (
    "rm -f /run/watch-stop /run/watch-found; while [ ! -e /run/watch-stop ]; do "
    f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -ao '{TOKEN}' >>/run/watch-found; sleep 0.05; done; "
    "wc -l </run/watch-found; rm -f /run/watch-*"
)
FILES = (
    f"grep -rlaE '{TOKEN}' --exclude-dir=docker --exclude-dir=vz --exclude-dir=db "
    "/etc /root /home /tmp /run /var /persistent-storage 2>/dev/null; "
    f"journalctl -q --no-pager | grep -a '{TOKEN}' | head -n 1; true"
)


def test_two_hundred(tmp_path: Path) -> None:
    """Two hundred leaves are issued with two hundred tokens, and no token is in a process list, a log or a file."""
    edits = [(DECLARED[host], DECLARED[host] + MORE[host]) for host in FOLDERS]
    seen: list[str] = []
    watcher = threading.Thread(target=lambda: seen.append(bench.sh("pve", WATCH, limit=400)))
    watcher.start()
    try:
        run = bench.deploy("--target", ",".join(FOLDERS), "--inventory", str(inventory(tmp_path, *edits)))
        bench.sh("pve", "touch /run/watch-stop")
        watcher.join(60)
        assert run.status == 0, run.output
        assert seen == ["0"], "a token was in a process list"
        show = "for c in {}/leaf-*.crt; do openssl x509 -in $c -noout -serial; done"
        serials = [serial for host, folder in FOLDERS.items() for serial in bench.sh(host, show.format(folder)).split()]
        assert (len(serials), len(set(serials))) == (MANY, MANY)
        for host, (_, traces) in bench.everywhere(("pve", "step-ca", *FOLDERS), FILES, limit=90).items():
            assert traces.strip() == "", f"{host}: a token is left"
        assert re.search(TOKEN, run.output + str(run.record)) is None
    finally:
        gone = bench.deploy("--target", ",".join(FOLDERS))
    assert gone.status == 0, gone.output
    for host, folder in FOLDERS.items():
        remains = bench.sh(host, f"ls {folder} /etc/systemd/system /usr/local/lib/phoenix | grep leaf- || true")
        assert remains == "", f"{host}: files of undeclared leaves are left"


def test_used_twice() -> None:
    """The CA accepts a token once and refuses its second use."""
    state = "/etc/step-ca/ssl"
    url = f"--ca-url https://ca.{bench.ZONE}:9000"
    name = f"used-twice.{bench.ZONE}"
    mint = (
        f"step ca token {name} --provisioner admin@thinkheads.ai {url} --root {state}/certs/root_ca.crt "
        f"--provisioner-password-file {state}/secrets/provisioner_password 2>/dev/null"
    )
    token = bench.sh("step-ca", mint).encode()
    use = (
        f"read -r STEP_TOKEN; export STEP_TOKEN; cd $(mktemp -d) && step ca certificate {name} crt key {url} "
        "--root /etc/phoenix/phoenix_ca_bundle.crt 2>&1; status=$?; rm -rf $PWD; exit $status"
    )
    first, output = bench.inside("drphoenix", use, data=token + b"\n")
    assert first == 0, output
    again, output = bench.inside("drphoenix", use, data=token + b"\n")
    assert again != 0
    assert "lacked necessary authorization" in output, output
    assert "token already used" in bench.sh("step-ca", "journalctl -u step-ca -n 5 --no-pager -o cat")
