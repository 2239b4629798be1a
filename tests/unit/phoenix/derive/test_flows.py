"""Flows: those of the example are exactly the table's, and `clients` of a service are expanded."""

from __future__ import annotations

import pytest

from phoenix.derive.flows import clients, flows
from phoenix.estate import Service
from tests.support.estates import estate, guest
from tests.support.inventories import example

STEP_CA, EDGE, MESH, PORTAINER, DRPHOENIX, NODE = "step-ca", "nginx-gateway", "traefik", "portainer", "drphoenix", "pve"
MODELS = {"granite-embedding": 8000, "granite-3b": 8000, "ollama": 11434, "llamacpp": 8081}
GUESTS = [STEP_CA, EDGE, MESH, PORTAINER, DRPHOENIX, *MODELS]

# from, to, protocol, ports: one row a line of the estate's table of flows
TABLE = [
    ("any", EDGE, "tcp", "80 443"),
    ("management", NODE, "tcp", "22 8006"),
    *((host, NODE, protocol, "53") for host in (*GUESTS, "lan") for protocol in ("udp", "tcp")),
    *((NODE, "upstream", protocol, "53") for protocol in ("udp", "tcp")),
    (EDGE, MESH, "tcp", "8443"),
    (STEP_CA, MESH, "tcp", "80"),
    *((host, STEP_CA, "tcp", "9000") for host in (EDGE, MESH, PORTAINER, DRPHOENIX, *MODELS, NODE)),
    *((host, PORTAINER, "tcp", "9443") for host in (MESH, NODE)),
    *((host, DRPHOENIX, "tcp", "9001") for host in (PORTAINER, NODE)),
    *((MESH, DRPHOENIX, "tcp", port) for port in ("6333", "6334", "8000")),
    *((MESH, model, "tcp", str(port)) for model, port in MODELS.items()),
    *((vm, NODE, "tcp", "2049") for vm in (PORTAINER, DRPHOENIX)),
    (NODE, EDGE, "tcp", "80 443"),
    (NODE, MESH, "tcp", "80 8443 8080"),
    (NODE, DRPHOENIX, "tcp", "6333 8000"),
    *((NODE, model, "tcp", str(port)) for model, port in MODELS.items()),
    *((NODE, vm, "tcp", "22") for vm in (PORTAINER, DRPHOENIX)),
    *(("lan", host, "icmp", "") for host in (*GUESTS, NODE)),
    *((host, "internet", "tcp", "80 443") for host in GUESTS),
    *((host, "internet", "udp", "123") for host in GUESTS),
]
# What follows from design decisions: the edge's status page, the mesh's names for guests, a name
# for gRPC, and ping in both directions.
MORE = [
    (MESH, EDGE, "tcp", "8081"),
    (NODE, EDGE, "tcp", "8081"),
    (NODE, MESH, "tcp", "443"),
    (NODE, DRPHOENIX, "tcp", "6334"),
    *((host, "lan", "icmp", "") for host in GUESTS),
]
Opening = tuple[str, str, str, int]


def openings(rows: list[tuple[str, str, str, str]]) -> set[Opening]:
    """Expand the rows of the table to one opening per port."""
    return {(a, b, protocol, int(port)) for a, b, protocol, ports in rows for port in ports.split() or ["0"]}


def derived() -> set[Opening]:
    """Expand the flows of the example to one opening per port."""
    return {(f.source, f.dest, f.protocol, port) for f in flows(example()) for port in f.ports or (0,)}


def test_flows_of_the_example() -> None:
    """The flows are exactly those of the table and of the design decisions."""
    assert derived() == openings(TABLE) | openings(MORE)


@pytest.mark.parametrize(
    ("source", "dest", "port"),
    [
        *((source, DRPHOENIX, port) for source in ("any", "lan", MESH, EDGE, NODE) for port in (2375, 2376)),
        *((source, PORTAINER, port) for source in ("any", "lan", MESH, EDGE, NODE) for port in (2375, 2376)),
        (MESH, DRPHOENIX, 9001),
        *((source, MESH, 8080) for source in ("any", "lan", *GUESTS)),
        *((source, STEP_CA, port) for source in ("any", "lan") for port in (22, 9000)),
        *((guest, NODE, port) for guest in GUESTS for port in (22, 8006)),
        *((guest, MESH, 443) for guest in GUESTS),
    ],
)
def test_stays_closed(source: str, dest: str, port: int) -> None:
    """No flow opens a connection that must stay closed."""
    assert (source, dest, "tcp", port) not in derived()


def test_declared_client_connects_to_the_mesh() -> None:
    """A guest that is a client of an exposed service connects to the mesh by name, not to the service's own port."""
    web = guest("web", 20, services={"web": Service(port=8000, expose=True, clients=("app",))})
    connections = {(f.source, f.dest, f.ports) for f in flows(estate(web, guest("app", 21)))}
    assert ("app", "mesh", (443,)) in connections
    assert ("app", "web", (8000,)) not in connections


@pytest.mark.parametrize(
    ("names", "ends"),
    [
        (("app",), ("app",)),
        (("models",), ("m1", "m2")),
        (("models", "m1", "app"), ("m1", "m2", "app")),
        (("lan", "management"), ("lan", "management")),
        (("pve",), ("pve",)),
        (("unknown",), ()),
        (("template",), ()),
    ],
)
def test_clients(names: tuple[str, ...], ends: tuple[str, ...]) -> None:
    """A client is a host, a word such as `lan`, or a group, which is expanded to its members; it may have none."""
    small = estate(guest("m1", 20, "models"), guest("m2", 21, "models"), guest("app", 22))
    assert clients(small, names) == ends
