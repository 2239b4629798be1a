"""Trust: in the system's own store of every host that should, of none that should not, and for Docker."""

from __future__ import annotations

import pytest

from tests.lab import bench

pytestmark = pytest.mark.usefixtures("estate")
HEALTH = f"curl -sS --max-time 10 https://ca.{bench.ZONE}:9000/health"


@pytest.mark.parametrize("host", bench.TRUSTED)
def test_trusted_host_accepts_the_authority(host: str) -> None:
    """A host of `trusted_ca` accepts a certificate of the authority by its system store alone."""
    assert "ok" in bench.said(host, HEALTH)


def test_other_host_does_not() -> None:
    """The authority's own guest is not in the group, and its system store refuses what it issued."""
    status, output = bench.inside("step-ca", HEALTH)
    assert (status, "certificate" in output) == (60, True), output


@pytest.mark.parametrize("host", ["nginx-gateway", "drphoenix", "pve"])
def test_store_is_as_the_distribution_makes_it(host: str) -> None:
    """The distribution's own tool, run afterwards, finds nothing to do and leaves the bundle as it is."""
    state = "sha256sum /etc/ssl/certs/ca-certificates.crt; ls -l --time-style=+ /etc/ssl/certs | sha256sum"
    before = bench.said(host, state)
    said = bench.said(host, "update-ca-certificates 2>&1", limit=120)
    assert "0 added, 0 removed" in said
    assert bench.said(host, state) == before


@pytest.mark.parametrize("host", ["portainer", "drphoenix"])
def test_docker_trusts_the_authority(host: str) -> None:
    """The Docker daemon gets as far as HTTP with a server of the estate, and does not stop at its certificate."""
    _, output = bench.inside(host, f"docker pull ca.{bench.ZONE}:9000/nothing:1 2>&1")
    assert "x509" not in output
    assert "404" in output or "not found" in output.lower(), output
