"""The TLS ports that an audit connects to."""

from __future__ import annotations

from phoenix.derive.certificates import leaves_of
from phoenix.estate import Service
from phoenix.pki.audit.endpoints import endpoints_of
from tests.support import estates


def test_endpoints() -> None:
    """A host's endpoints are its services with a server leaf; the CA has its own, the mesh has one for each route."""
    services = {"door": Service(port=9001, scheme="https", tls="server"), "dash": Service(port=8000, expose=True)}
    estate = estates.estate(estates.guest("app", 20, "lxc", services=services))
    leaf = next(leaf for leaf in leaves_of(estate, "app") if leaf.name == "door")
    (door,) = endpoints_of(estate, "app")
    assert (door.name, door.address, door.server_name) == ("door", "10.0.0.20:9001", leaf.dns[0])
    assert [endpoint.name for endpoint in endpoints_of(estate, "ca")] == ["authority"]
    mesh = estate.guest_with("traefik")
    assert [(one.name, one.address) for one in endpoints_of(estate, mesh.name)] == [
        ("dash.lab.test", f"{mesh.address}:443")
    ]
