"""Names of the example estate, in both views."""

from __future__ import annotations

import pytest

from phoenix.derive.names import records
from tests.estates import estate, guest
from tests.inventories import example

ZONE = "internal.thinkheads.ai"
EDGE, MESH, CA, AGENT, NODE = "10.0.0.153", "10.0.0.12", "10.0.0.10", "10.0.0.102", "10.0.0.13"
# The table of the estate: HTTP names answer the edge outside and the mesh inside; all others are the same in both.
HTTP = ["portainer", "qdrant", "granite-embedding", "granite-3b", "ollama", "llamacpp", "traefik", "nginx"]
SAME = {"ca": CA, "step-ca": CA, "portainer-agent": AGENT, "drphoenix": AGENT, "phoenix": NODE}
# Beyond the table: the application that the mesh routes, the edge by its inventory name, and the older names.
MORE_HTTP = [f"thinkheads-ai.{ZONE}", "portainer.phoenix.local"]
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
