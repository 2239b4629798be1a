"""The hypervisor's web certificate: off by default; turning it on or off does not lose the API connection."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import bench
from tests.system.edited import inventory

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(400)]

NAME = f"phoenix.{bench.ZONE}"
SWITCHED_ON = ("    node: phoenix\n", "    node: phoenix\n    web_certificate: true\n")
KEY, CHAIN = "/etc/phoenix/tls/pve_web.key", "/etc/phoenix/tls/pve_web.crt"
OURS = "/etc/phoenix/tls /etc/systemd/system/phoenix-* /usr/local/lib/phoenix /etc/pve"


def presented() -> str:
    """Return the fingerprint of the certificate that the web server presents to a new connection."""
    connect = "openssl s_client -connect 10.0.0.13:8006 </dev/null 2>/dev/null"
    return bench.sh("pve", f"{connect} | openssl x509 -noout -fingerprint -sha256").partition("=")[2]


def files() -> str:
    """Return the hypervisor's files of certificates, units and Proxmox."""
    return bench.sh("pve", f"find {OURS} -type f 2>/dev/null | sort; true")


def access(folder: Path, *lines: str, without: str = "none") -> dict[str, str]:
    """Write a copy of the lab's access file with `lines` below `api:` and without one key; return the environment."""
    lab = Path(os.environ.get("PHOENIX_LAB", "/var/lib/phoenix-lab"))
    kept = [line for line in (lab / "access.yaml").read_text("utf-8").splitlines() if f" {without}:" not in line]
    at = kept.index("  api:") + 1
    folder.mkdir(exist_ok=True)
    file = folder / "access.yaml"
    file.write_text("\n".join([*kept[:at], *(f"    {line}" for line in lines), *kept[at:]]) + "\n", "utf-8")
    file.chmod(0o600)
    return {"PHOENIX_LAB": str(folder)}


@pytest.fixture
def before() -> Iterator[tuple[str, str]]:
    """Return the node's certificate and files without the option; both must be the same after the test."""
    initial = presented(), files()
    yield initial
    bench.sh("pve", f"pvenode cert delete 1; rm -f {bench.CLIENT_ROOT}")
    deployed = bench.deploy()
    assert (deployed.status, deployed.record["changed"]) == (0, 0), deployed.output
    assert (presented(), files()) == initial


def test_on_and_off(tmp_path: Path, before: tuple[str, str]) -> None:
    """With an access file that trusts the CA, the certificate is issued, presented, renewed, corrected and removed."""
    switched = ("--target", "pve", "--inventory", str(inventory(tmp_path, SWITCHED_ON)))
    root = tmp_path / "phoenix_ca_bundle.crt"
    root.write_text(bench.sh("pve", f"cat {bench.CA_DIRECTORY}/phoenix_ca_bundle.crt") + "\n", "utf-8")
    trust = (f"ca: {root}", f"name: {NAME}")
    both, only = access(tmp_path / "both", *trust), access(tmp_path / "only", *trust, without="fingerprint")

    pinned = bench.deploy(*switched)
    assert pinned.status == 1
    assert f"add `ca: FILE` and `name: {NAME}` below its `api:`" in " ".join(pinned.output.split())
    assert (pinned.record["changed"], presented()) == (0, before[0])

    on = bench.deploy(*switched, env=both)
    assert on.status == 0, on.output
    assert presented() != before[0]
    assert bench.sh("pve", f"stat -c '%U:%G %a' {KEY}") == "root:root 600"
    curl = f"curl -sS -o /dev/null -w '%{{http_code}}' --cacert {bench.CLIENT_ROOT} --resolve {NAME}:8006:10.0.0.13"
    bench.sh("pve", f"cp {bench.CA_DIRECTORY}/phoenix_ca.crt {bench.CLIENT_ROOT}")
    assert bench.sh("pve", f"{curl} https://{NAME}:8006/api2/json/version") == "401"
    assert bench.sh("pve", f"{curl} https://10.0.0.13:8006/api2/json/version") == "401"
    again = bench.deploy(*switched, env=only)
    assert (again.status, again.record["changed"]) == (0, 0), again.output

    served = presented()
    bench.sh("pve", "sed -i 's/expires-in [0-9smh]*/expires-in 8760h/' /usr/local/lib/phoenix/renew-pve-web")
    bench.sh("pve", "systemctl start phoenix-renew-pve-web")
    renewed = presented()
    assert renewed not in (served, before[0])
    bench.sh("pve", "pvenode cert delete 1")
    corrected = bench.deploy(*switched, env=both)
    assert ("pve", "web certificate of pve") in corrected.changes, corrected.output
    assert presented() == renewed

    stuck = bench.deploy("--target", "pve", env=only)
    assert stuck.status == 1
    assert "add its `fingerprint`" in stuck.output
    assert presented() == renewed
    off = bench.deploy("--target", "pve", env=both)
    assert off.status == 0, off.output
    assert ("pve", "web certificate of pve") in off.changes
    assert (presented(), files()) == before
