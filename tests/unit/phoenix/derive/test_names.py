"""Names of the example estate, in both views."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import islice

import pytest
from hypothesis import given, settings

from phoenix.derive.names import VIEWS, in_reading_order, pointers, records, reverse_name, reverse_zones
from phoenix.estate import Estate
from tests.support.estates import estate, estates, guest
from tests.support.inventories import example

ZONE = "internal.thinkheads.ai"
EDGE, MESH, CA, AGENT, NODE = "10.0.0.153", "10.0.0.12", "10.0.0.10", "10.0.0.102", "10.0.0.13"
# The table of the estate: HTTP names answer the edge outside and the mesh inside; all others are the same in both.
HTTP = ["portainer", "qdrant", "granite-embedding", "granite-3b", "ollama", "llamacpp", "traefik", "nginx"]
SAME = {"ca": CA, "step-ca": CA, "portainer-agent": AGENT, "drphoenix": AGENT, "phoenix": NODE}
# Beyond the table: the application that the mesh routes, gRPC, the edge by its inventory name, and the older names.
MORE_HTTP = [f"thinkheads-ai.{ZONE}", f"qdrant-grpc.{ZONE}", "portainer.phoenix.local"]
MORE_SAME = {f"nginx-gateway.{ZONE}": EDGE, "agent.agent.phoenix.local": AGENT}


@pytest.mark.parametrize("view", ["lan", "guest"])
def test_names_of_the_example(view: str) -> None:
    """Each view has exactly the names of the table, each with its one address."""
    http = EDGE if view == "lan" else MESH
    wanted = {f"{name}.{ZONE}": address for name, address in SAME.items()} | MORE_SAME
    wanted |= dict.fromkeys([*(f"{name}.{ZONE}" for name in HTTP), *MORE_HTTP], http)
    assert {record.name: str(getattr(record, view)) for record in records(example())} == wanted


def test_sources() -> None:
    """A record says whether it comes from the zone, a virtual machine or a container."""
    found = {record.name.removesuffix(f".{ZONE}"): record.source for record in records(example())}
    assert found["phoenix"] == "zone"
    assert found["portainer"] == found["qdrant"] == found["drphoenix"] == "vm"
    assert found["ca"] == found["ollama"] == found["traefik"] == "container"


def test_authority_always_has_its_name() -> None:
    """`ca` resolves to the authority even where nobody wrote the alias: every client is told that name."""
    found = {record.name: str(record.guest) for record in records(estate())}
    assert found["ca.lab.test"] == "10.0.0.10"


def test_further_records() -> None:
    """Records of the settings and of a guest stand in both views."""
    small = estate(guest("app", 20, records={"spare": "10.0.0.77"}), records={"printer": "10.0.0.200"})
    found = {record.name: (str(record.lan), str(record.guest)) for record in records(small)}
    assert found["spare.lab.test"] == ("10.0.0.77", "10.0.0.77")
    assert found["printer.lab.test"] == ("10.0.0.200", "10.0.0.200")


def test_backwards() -> None:
    """An address leads to its machine's own name; in the LAN view none leads to the mesh: its names are the edge's."""
    lan = {str(address): record.name for address, record in pointers(example(), "lan").items()}
    assert lan[EDGE] == f"nginx-gateway.{ZONE}"
    assert lan[AGENT] == f"drphoenix.{ZONE}"
    assert MESH not in lan
    assert pointers(example(), "guest")[IPv4Address(MESH)].name == f"traefik.{ZONE}"


@settings(max_examples=40, deadline=None)
@given(small=estates())
def test_backwards_is_confirmed_forwards(small: Estate) -> None:
    """In each view of any estate every answered address has one name, and that name has this address."""
    for view in VIEWS:
        found = pointers(small, view)
        assert set(found) == {record.address(view) for record in records(small)}
        assert all(record.address(view) == address for address, record in found.items())
        read = {record.address(view): record for record in reversed(in_reading_order(small, view))}
        assert read == found


@pytest.mark.parametrize(
    ("network", "zones"),
    [
        ("10.0.0.0/24", ["0.0.10.in-addr.arpa"]),
        ("10.0.0.0/8", ["10.in-addr.arpa"]),
        ("172.16.2.0/23", ["2.16.172.in-addr.arpa", "3.16.172.in-addr.arpa"]),
        ("192.0.2.8/31", ["8.2.0.192.in-addr.arpa", "9.2.0.192.in-addr.arpa"]),
    ],
)
def test_reverse_zones(network: str, zones: list[str]) -> None:
    """A network is as few reverse zones as whole octets allow, and its addresses' names are in them."""
    found = reverse_zones(IPv4Network(network))
    assert list(found) == zones
    assert all(reverse_name(address).endswith(found) for address in islice(IPv4Network(network), 300))
