"""Faults: the message names host, stage and cause, the other hosts are deployed, and the next run converges."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tests.system import bench

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(400)]


def _access(folder: Path, *edits: tuple[str, str]) -> dict[str, str]:
    """Write an edited copy of the lab's access file; return the environment that selects it."""
    lab = Path(os.environ.get("PHOENIX_LAB", "/var/lib/phoenix-lab"))
    lines = []
    for line in (lab / "access.yaml").read_text("utf-8").splitlines():
        key = line.split(":")[0].strip()
        value = dict(edits).get(key)
        lines.append(line if value is None else f"{line[: len(line) - len(line.lstrip())]}{key}: {value}")
    file = folder / "access.yaml"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    file.chmod(0o600)
    return {"PHOENIX_LAB": str(folder)}


def _converged() -> None:
    again = bench.deploy()
    assert again.status == 0, again.output
    assert bench.deploy().record["changed"] == 0


FULL = (
    "cp -a /etc/nginx/conf.d /root/kept && mount -t tmpfs -o size=64k tmpfs /etc/nginx/conf.d && "
    "cp -a /root/kept/. /etc/nginx/conf.d && echo '# edited' >>/etc/nginx/conf.d/phoenix.conf && "
    "{ head -c 1M /dev/zero >/etc/nginx/conf.d/filler 2>/dev/null; true; }"
)


def test_each_fault_is_reported_and_other_hosts_are_deployed(tmp_path: Path) -> None:
    """A hanging guest and a full disk are reported with stage and cause, and all other hosts are corrected.

    The old file on the full disk is unchanged, and a stopped guest is started.
    """
    bench.sh("nginx-gateway", FULL)
    bench.sh("traefik", "touch /etc/traefik/dynamic/unmanaged.yml")
    bench.sh("pve", "pct stop 914 && lxc-freeze -n 917")
    try:
        start = time.monotonic()
        run = bench.deploy(record=tmp_path / "record.json")
        seconds = time.monotonic() - start
        kept = bench.sh("nginx-gateway", "tail -n 1 /etc/nginx/conf.d/phoenix.conf")
    finally:
        bench.sh("pve", "lxc-unfreeze -n 917")
        bench.sh("nginx-gateway", "umount /etc/nginx/conf.d && rm -rf /root/kept")
    assert run.status == 1, run.output
    # Portainer depends on the edge and has a stage after that failure. drphoenix does not need the failed stage.
    assert set(run.record["failed"]) == {"llamacpp", "nginx-gateway", "portainer"}, run.output
    assert "llamacpp observation: llamacpp: no answer within 30 s" in run.output
    assert seconds < 120
    assert "nginx-gateway services: " in run.output
    assert "No space left on device" in run.output
    assert kept == "# edited"
    assert ("ollama", "guest 914 ollama") in run.changes
    assert ("traefik", "file /etc/traefik/dynamic/unmanaged.yml") in run.changes
    _converged()


def test_wrong_token(tmp_path: Path) -> None:
    """A wrong token is reported, and no host is changed."""
    env = _access(tmp_path, ("token_secret", '"00000000-0000-4000-8000-000000000000"'))
    run = bench.deploy(env=env)
    assert run.status == 1
    assert run.record["changed"] == 0
    assert "pve preflight" in run.output
    assert "401" in run.output


def test_unreachable_hypervisor(tmp_path: Path) -> None:
    """An unreachable hypervisor is reported for API and SSH at once, with address and cause."""
    env = _access(tmp_path, ("url", '"https://127.0.0.1:9"'), ("port", "9"))
    run = bench.deploy(env=env)
    assert run.status == 1
    assert run.record["changed"] == 0
    assert "https://127.0.0.1:9" in run.output
    assert "SSH is not reachable" in run.output


def test_wrong_pins(tmp_path: Path) -> None:
    """A certificate or host key that is not the pinned one ends the run."""
    key = '"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIgQO9YHk2Ov1WkU7p0Y2tVbW0JYbYfOZ6bE5nD0b1aC"'
    env = _access(tmp_path, ("fingerprint", '"' + ":".join(["AB"] * 32) + '"'), ("host_key", key))
    run = bench.deploy(env=env)
    assert run.status == 1
    assert "the certificate is not the pinned one" in run.output
    assert "the host key is not the pinned one" in run.output


def test_interruptions() -> None:
    """Runs that are stopped by Ctrl-C, by SIGTERM or by SIGKILL continue the work, and a complete run converges."""
    destroy = (sys.executable, "runbooks/destroy.py", "--lab", "--target", "traefik,ollama", "--yes")
    status, output = bench.run(*destroy, limit=120)
    assert status == 0, output
    command = [sys.executable, "runbooks/deploy.py", "--lab"]
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if kind is signal.SIGKILL:  # the two previous runs may have completed the work
            status, output = bench.run(*destroy, limit=120)
            assert status == 0, output
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
            time.sleep(1.5)
            run.send_signal(kind)
            output, _ = run.communicate(timeout=120)
        assert run.returncode == (-signal.SIGKILL if kind is signal.SIGKILL else 130), output
        assert ("stopped by Ctrl-C" in output) == (kind is not signal.SIGKILL)
    _converged()
