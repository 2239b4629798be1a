"""How each route is proven: by which node, at which addresses, and what counts as an answer."""

from __future__ import annotations

import pytest

from phoenix.derive.route_probes import RouteProbe, probes_of
from phoenix.estate import Estate
from tests.support.inventories import example

ALL = frozenset(host.name for host in example().hosts())


def services(probes: tuple[RouteProbe, ...]) -> set[str]:
    """The services of the routes."""
    return {probe.route.service for probe in probes}


def probe(service: str, estate: Estate | None = None) -> RouteProbe:
    """The probe of a service's first name."""
    return next(one for one in probes_of(estate or example(), ALL, "pve") if one.route.service == service)


def on_two_nodes() -> Estate:
    """The example with a second node that carries the Docker hosts."""
    one = example()
    (node,) = one.hypervisors
    second = node.model_copy(update={"name": "pve2", "node": "second"})
    moved = {"drphoenix", "portainer"}
    guests = tuple(g.model_copy(update={"hypervisor": "pve2"}) if g.name in moved else g for g in one.guests)
    return one.model_copy(update={"hypervisors": (node, second), "guests": guests})


@pytest.mark.parametrize(
    ("targets", "proven"),
    [
        ({"ollama"}, {"ollama"}),
        ({"ollama", "drphoenix"}, {"ollama", "qdrant", "qdrant-grpc", "thinkheads-ai"}),
        ({"step-ca"}, set()),
        ({"traefik"}, services(probes_of(example(), ALL, "pve"))),
        ({"nginx-gateway"}, services(probes_of(example(), ALL, "pve"))),
        ({"pve"}, services(probes_of(example(), ALL, "pve"))),
    ],
)
def test_targets(targets: set[str], proven: set[str]) -> None:
    """A targeted run proves its targets' routes, and all routes if edge, mesh or hypervisor is a target."""
    assert services(probes_of(example(), frozenset(targets), "pve")) == proven


def test_every_name_is_proven() -> None:
    """Each name of a route is proven, at edge and mesh."""
    every = probes_of(example(), ALL, "pve")
    assert {"portainer.internal.thinkheads.ai", "portainer.phoenix.local"} <= {one.name for one in every}
    assert {tuple(map(str, one.entries)) for one in every} == {("10.0.0.153:443", "10.0.0.12:443")}


def test_two_nodes() -> None:
    """Each node proves the routes of its guests, edge and mesh are asked by the node that may; each route once."""
    estate = on_two_nodes()
    every = {node: probes_of(estate, ALL | {"pve2"}, node) for node in ("pve", "pve2")}
    assert services(every["pve2"]) == {"portainer", "qdrant", "qdrant-grpc", "thinkheads-ai"}
    assert not services(every["pve"]) & services(every["pve2"])
    one = next(probe for probe in every["pve2"] if probe.route.service == "qdrant")
    assert one.backend is not None
    assert ([entry.node for entry in one.entries], one.backend.node) == (["pve", "pve"], "pve2")


def test_node_that_takes_no_part() -> None:
    """If only the mesh is a target, its node proves the routes of the other node's guests too."""
    estate = on_two_nodes()
    assert services(probes_of(estate, frozenset({"traefik"}), "pve")) == services(probes_of(example(), ALL, "pve"))
    assert probes_of(estate, frozenset({"traefik"}), "pve2") == ()


@pytest.mark.parametrize(
    ("service", "starts", "external", "checked"),
    [
        ("qdrant", True, False, True),
        ("nginx", True, False, True),
        ("portainer", True, False, True),
        ("traefik", True, False, True),
        ("ollama", False, True, True),
    ],
)
def test_programs(service: str, *, starts: bool, external: bool, checked: bool) -> None:
    """Phoenix starts the programs of its containers and features; external ones are the operator's."""
    one = probe(service)
    assert (one.starts, one.external, one.checked) == (starts, external, checked)


@pytest.mark.parametrize(
    ("checked", "accepted"),
    [(True, [200, 204, 302]), (False, [101, 200, 204, 302, 401, 404, 405, 429])],
)
def test_answers(accepted: list[int], *, checked: bool) -> None:
    """A declared check must give 2xx or 3xx; without one, any status from 1xx to 4xx is an answer."""
    one = RouteProbe("a", probe("qdrant").route, (), None, checked=checked, external=False, starts=False)
    statuses = (0, 101, 200, 204, 302, 401, 404, 405, 429, 500, 502, 503)
    assert [status for status in statuses if one.accepts(status)] == accepted
