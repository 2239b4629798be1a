"""Names of the example estate, in both views."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import islice

import pytest
from hypothesis import given, settings

from phoenix.derive.names import (
    VIEWS,
    is_covered,
    ptr_records,
    ptr_records_first,
    records,
    reverse_name,
    reverse_zones,
)
from phoenix.estate import Estate
from tests.support.estates import estate, estates, guest, hypervisor
from tests.support.inventories import example

ZONE = "internal.thinkheads.ai"
EDGE, MESH, CA, AGENT, NODE = "10.0.0.153", "10.0.0.12", "10.0.0.10", "10.0.0.102", "10.0.0.13"
# The table of the estate: HTTP names resolve to the edge outside and to the mesh inside; all others are equal in both.
HTTP = ["portainer", "qdrant", "granite-embedding", "granite-3b", "ollama", "llamacpp", "traefik", "nginx"]
SAME = {"ca": CA, "step-ca": CA, "portainer-agent": AGENT, "drphoenix": AGENT, "phoenix": NODE}
# Beyond the table: the application behind the mesh, gRPC, the edge by its inventory name, and the alias names.
MORE_HTTP = [f"thinkheads-ai.{ZONE}", f"qdrant-grpc.{ZONE}", "portainer.phoenix.local"]
MORE_SAME = {f"nginx-gateway.{ZONE}": EDGE, "agent.agent.phoenix.local": AGENT}


@pytest.mark.parametrize("view", ["lan", "guest"])
def test_names_of_the_example(view: str) -> None:
    """Each view has exactly the names of the table, each with one address."""
    http = EDGE if view == "lan" else MESH
    wanted = {f"{name}.{ZONE}": address for name, address in SAME.items()} | MORE_SAME
    wanted |= dict.fromkeys([*(f"{name}.{ZONE}" for name in HTTP), *MORE_HTTP], http)
    assert {record.name: str(getattr(record, view)) for record in records(example())} == wanted


def test_sources() -> None:
    """The source of a record is the zone, a virtual machine or a container."""
    sources = {record.name.removesuffix(f".{ZONE}"): record.source for record in records(example())}
    assert sources["phoenix"] == "zone"
    assert sources["portainer"] == sources["qdrant"] == sources["drphoenix"] == "vm"
    assert sources["ca"] == sources["ollama"] == sources["traefik"] == "container"


def test_ca_always_has_its_name() -> None:
    """`ca` resolves to the CA without a declared alias, because every client uses that name."""
    addresses = {record.name: str(record.guest) for record in records(estate())}
    assert addresses["ca.lab.test"] == "10.0.0.10"


def test_node_name_in_upper_case() -> None:
    """A node's DNS name is in lower case, as names are compared; Proxmox's own name keeps its case."""
    shouting = estate().model_copy(update={"hypervisors": (hypervisor(node="PVE-01"),)})
    assert [record.name for record in records(shouting) if record.purpose == "hypervisor"] == ["pve-01.lab.test"]


def test_additional_records() -> None:
    """Records of the settings and of a guest are in both views."""
    small = estate(guest("app", 20, records={"spare": "10.0.0.77"}), records={"printer": "10.0.0.200"})
    addresses = {record.name: (str(record.lan), str(record.guest)) for record in records(small)}
    assert addresses["spare.lab.test"] == ("10.0.0.77", "10.0.0.77")
    assert addresses["printer.lab.test"] == ("10.0.0.200", "10.0.0.200")


def test_reverse_names() -> None:
    """The reverse name of an address is its machine's; in the LAN view the mesh has none: its names are the edge's."""
    lan = {str(address): record.name for address, record in ptr_records(example(), "lan").items()}
    assert lan[EDGE] == f"nginx-gateway.{ZONE}"
    assert lan[AGENT] == f"drphoenix.{ZONE}"
    assert MESH not in lan
    assert ptr_records(example(), "guest")[IPv4Address(MESH)].name == f"traefik.{ZONE}"


@settings(max_examples=40, deadline=None)
@given(small=estates())
def test_reverse_names_are_forward_confirmed(small: Estate) -> None:
    """In each view of any estate, every address has one reverse name, and that name resolves to the address."""
    for view in VIEWS:
        reverse = ptr_records(small, view)
        assert set(reverse) == {record.address(view) for record in records(small)}
        assert all(record.address(view) == address for address, record in reverse.items())
        assert {record.address(view): record for record in reversed(ptr_records_first(small, view))} == reverse


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("lab.test", True),
        ("a.lab.test", True),
        ("*.lab.test", True),
        ("a.b.lab.test", False),
        ("old.test", False),
        ("a.old.test", False),
        ("*.old.test", False),
        ("test", False),
    ],
)
def test_is_covered(name: str, *, covered: bool) -> None:
    """A wildcard covers exactly one label; another wildcard is covered only by itself."""
    assert is_covered(name, ("*.lab.test", "lab.test")) == covered


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
    """A network has as few reverse zones as whole octets allow, and they contain the reverse names of its addresses."""
    derived = reverse_zones(IPv4Network(network))
    assert list(derived) == zones
    assert all(reverse_name(address).endswith(derived) for address in islice(IPv4Network(network), 300))
