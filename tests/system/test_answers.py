"""Services answer clients on the LAN, and every hop verifies its TLS peer."""

from __future__ import annotations

import pytest

from tests.system import bench

pytestmark = pytest.mark.usefixtures("estate")


@pytest.mark.parametrize("name", bench.PAGES)
def test_service_answers_the_client(name: str) -> None:
    """Every exposed service answers a LAN client that trusts only the exported root."""
    status, output = bench.fetch(name)
    assert status == 0, output


def test_client_without_the_root_is_not_served() -> None:
    """A client without the root refuses the estate's certificates."""
    status, output = bench.inside("client", f"curl -sS --max-time 10 https://qdrant.{bench.ZONE}/")
    assert (status, "certificate" in output) == (60, True), output


def test_undeclared_name_gets_no_handshake() -> None:
    """The edge completes a TLS handshake only for declared names."""
    command = "curl -sS --max-time 10 -k --connect-to ::10.0.0.153:443 https://undeclared.internal.thinkheads.ai/"
    status, output = bench.inside("client", command)
    assert status == 35, output


def test_port_80_only_redirects() -> None:
    """Plain HTTP at the edge only redirects to HTTPS."""
    script = f"curl -sS -o /dev/null -w '%{{http_code}} %{{redirect_url}}' --max-time 10 http://qdrant.{bench.ZONE}/x"
    assert bench.sh("client", script) == f"301 https://qdrant.{bench.ZONE}/x"


def test_edge_refuses_a_mesh_that_it_does_not_trust() -> None:
    """With another root for verifying the mesh, the edge returns 502, and the next deployment corrects its file."""
    bench.sh(
        "nginx-gateway",
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=other "
        "-out /etc/nginx/other.crt 2>/dev/null && sed -i 's#proxy_ssl_trusted_certificate .*#"
        "proxy_ssl_trusted_certificate /etc/nginx/other.crt;#' /etc/nginx/conf.d/phoenix.conf && nginx -s reload",
    )
    status, output = bench.inside(
        "client",
        f"for i in 1 2 3 4 5 6 7 8 9 10; do code=$(curl -s -o /dev/null -w '%{{http_code}}' --max-time 10 "
        f"--cacert {bench.CLIENT_ROOT} https://qdrant.{bench.ZONE}/); [ $code = 502 ] && break; "
        "sleep 0.5; done; echo $code",
    )
    assert (status, output.strip()) == (0, "502")
    corrected = bench.deploy("--target", "nginx-gateway")
    assert ("nginx-gateway", "file /etc/nginx/conf.d/phoenix.conf") in corrected.changes
    assert bench.fetch("qdrant")[0] == 0
    bench.sh("nginx-gateway", "rm /etc/nginx/other.crt")


@pytest.mark.parametrize(("server", "view"), [("10.0.0.13", "10.0.0.153"), ("10.0.0.53", "10.0.0.12")])
def test_both_views_answer_their_own_address(server: str, view: str) -> None:
    """A service's name resolves to the edge for the LAN and to the mesh for guests; the CA's name is equal in both."""
    host = "client" if server == "10.0.0.13" else "ollama"
    dig = f"dig +short +time=2 +tries=2 @{server}"
    assert bench.sh(host, f"{dig} qdrant.{bench.ZONE}") == view
    assert bench.sh(host, f"{dig} ca.{bench.ZONE}") == "10.0.0.10"
    assert "NXDOMAIN" in bench.sh(host, f"dig +time=2 @{server} unknown.{bench.ZONE}")
