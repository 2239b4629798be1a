"""Every TLS endpoint of the estate complies with Mozilla's intermediate profile, by sslyze."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix.lab.machine.container import OuterContainer
from phoenix.lab.places import LabPlaces
from tests.system import bench

pytestmark = [pytest.mark.usefixtures("estate"), pytest.mark.timeout(180)]

FINDING = re.compile(r"^ +\* (\w+): (.+)$", re.MULTILINE)
# step-ca has settings for TLS versions and ciphers, but not for curves, and Go offers P-521. That is not a weakness:
# Mozilla omits it because it is not used.
CURVES_OF_GO = ("tls_curves", "TLS curves {'secp521r1'} are supported, but should be rejected.")


@pytest.mark.parametrize(
    ("endpoint", "name", "tolerated"),
    [
        ("10.0.0.153:443", "qdrant", set()),
        ("10.0.0.12:8443", "qdrant", set()),
        ("10.0.0.12:443", "portainer", set()),
        ("10.0.0.102:9001", "portainer-agent", set()),
        ("10.0.0.10:9000", "ca", {CURVES_OF_GO}),
    ],
    ids=["edge", "mesh for the edge", "mesh for guests", "agent", "authority"],
)
def test_profile(endpoint: str, name: str, tolerated: set[tuple[str, str]], tmp_path: Path) -> None:
    """Versions, ciphers, curves, keys, chain and robustness of an endpoint comply with the profile."""
    anchors = tmp_path / "anchors.pem"
    anchors.write_text(bench.sh("pve", "cat /etc/phoenix/phoenix_ca_bundle.crt"))
    pid = OuterContainer(LabPlaces.of_environment()).pid
    command = (
        *("nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-m", "sslyze", "--mozilla_config", "intermediate"),
        *("--certinfo_ca_file", str(anchors), "--sni", f"{name}.{bench.ZONE}", endpoint),
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    verdict = done.stdout.partition("COMPLIANCE AGAINST TLS CONFIGURATION")[2]
    assert endpoint in verdict, done.stdout + done.stderr
    findings = set(FINDING.findall(verdict))
    assert findings == tolerated
    assert bool(findings) != (f"{endpoint}: OK" in verdict), verdict


def test_edge_sends_hsts() -> None:
    """Responses of the edge have one HSTS header with a max-age of a year, and plain HTTP redirects to HTTPS."""
    header = f"curl -sS -o /dev/null -D - --cacert {bench.CLIENT_ROOT} https://qdrant.{bench.ZONE}/readyz"
    headers = [line.lower() for line in bench.sh("client", header).splitlines()]
    assert [line for line in headers if line.startswith("strict-transport-security")] == [
        "strict-transport-security: max-age=31536000"
    ]
    plain = bench.sh("client", f"curl -sS -o /dev/null -D - http://qdrant.{bench.ZONE}/readyz")
    assert "301" in plain.splitlines()[0]
    assert f"Location: https://qdrant.{bench.ZONE}/readyz" in plain
