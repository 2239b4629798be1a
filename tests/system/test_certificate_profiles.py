"""pkilint (RFC 5280) accepts every kind of certificate that the estate issues."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.system import bench

pytestmark = pytest.mark.usefixtures("estate")
STATE = "/etc/step-ca/ssl/certs"
FIRST_OF_THE_MESH = """grep -m1 '"certificate"' /etc/traefik/acme.json | cut -d'"' -f4 | base64 -d"""
OF_THE_AUTHORITY = f"openssl s_client -connect 10.0.0.10:9000 -servername ca.{bench.ZONE} </dev/null 2>/dev/null"
PROFILES = {
    "root": ("step-ca", f"cat {STATE}/root_ca.crt"),
    "intermediate": ("step-ca", f"cat {STATE}/intermediate_ca.crt"),
    "the authority's own": ("step-ca", OF_THE_AUTHORITY),
    "edge, by token": ("nginx-gateway", "cat /etc/nginx/ssl/internal_traefik_proxy.crt"),
    "server, by token": ("drphoenix", "cat /persistent-storage/certs/portainer-agent.crt"),
    "client, by token": ("portainer", "cat /persistent-storage/portainer/certs/portainer-server-client.crt"),
    "mesh, by ACME": ("traefik", FIRST_OF_THE_MESH),
}


WILDCARD = f'pkix.invalid_domain_name_syntax (ERROR): Invalid domain name syntax: "*.{bench.ZONE}"'
"""RFC 5280 (section 4.2.1.6) leaves wildcards to other specifications. RFC 9525 defines them; pkilint rejects them."""


def _errors(file: Path) -> list[str]:
    linter = str(Path(sys.executable).with_name("lint_pkix_cert"))
    status, findings = bench.run(linter, "lint", "--severity", "ERROR", "--document-format", "PEM", str(file))
    errors = [line.strip() for line in findings.splitlines() if line.strip().startswith("pkix.")]
    assert status == len(errors), findings
    return errors


@pytest.mark.parametrize("profile", PROFILES)
def test_profile(profile: str, tmp_path: Path) -> None:
    """The linter finds no error in a certificate of this kind, except that it rejects wildcards."""
    host, command = PROFILES[profile]
    file = tmp_path / "certificate.pem"
    file.write_text(bench.sh(host, f"{command} | openssl x509") + "\n", "utf-8")
    assert _errors(file) == ([WILDCARD] if profile.startswith("edge") else [])


def test_the_linter_can_find_something(tmp_path: Path) -> None:
    """The same command reports a certificate with an invalid DNS name."""
    file = tmp_path / "certificate.pem"
    create = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=x"
    status, certificate = bench.run("sh", "-c", f"{create} -addext subjectAltName=DNS:a_b..c 2>/dev/null")
    assert status == 0, certificate
    file.write_text(certificate, "utf-8")
    assert any("invalid_domain_name_syntax" in error for error in _errors(file))
