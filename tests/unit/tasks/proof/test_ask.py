"""Who is asked for a route: edge, mesh, the service and the guests, each by the node that may connect."""

from __future__ import annotations

import re
from typing import Any

import pytest

from phoenix.connections.ssh import Completed, ConnectionFailedError
from phoenix.derive.route_probes import BackendListener, RouteProbe
from phoenix.tasks.proof.ask import RouteQuestions, backend_request, entry_requests
from phoenix.tasks.proof.reply import Listening, Reply
from tests.unit.tasks.proof.probes import EDGE, MESH, NAME, probe, route

FAR = BackendListener("wiki", "10.0.0.60", 8000, "pve2")
TABLE = "   1: 00000000:1F40 00000000:0000 0A 0\n"


class Nodes:
    """The sessions of a run: the reply to a request depends on its address."""

    def __init__(self, replies: dict[str, str], lost: tuple[str, ...] = ()) -> None:
        self.replies, self.lost = replies, lost
        self.asked: list[tuple[str, str]] = []

    def session(self, name: str) -> Any:
        """The session of a host."""
        nodes = self

        class Session:
            shell = None if name == "off" else object()

            def run(self, script: str, _limit: float) -> Completed:
                if name in nodes.lost:
                    raise ConnectionFailedError("gone")
                lines = re.findall(r"^(?:requests=')?(\d+ https?://\S+ \S+ \w+)'?$", script, re.MULTILINE)
                if not lines:
                    nodes.asked.append((name, "listening"))
                    return Completed(0, TABLE, "")
                out = []
                for key, _url, address, _kind in map(str.split, lines):
                    nodes.asked.append((name, address))
                    out.append(f"{key} {nodes.replies[address]}\n")
                return Completed(0, "".join(out) + f"{NAME} {MESH.address}\n", "")

        return Session()


def asked(nodes: Nodes, one: RouteProbe) -> Any:
    """What is observed of a route."""
    run: Any = nodes
    return RouteQuestions(run).ask([one], 2)[one]


def far() -> RouteProbe:
    """A route whose service is on another node."""
    return RouteProbe(NAME, route(), (EDGE, MESH), FAR, checked=False, external=False, starts=False)


def test_route_that_answers() -> None:
    """A good reply of edge and mesh takes one question at their node."""
    nodes = Nodes({"10.0.0.153:443": "0 200 0.1", "10.0.0.12:443": "0 302 0.1"})
    seen = asked(nodes, far())
    assert seen.entries == {"nginx-gateway": Reply(0, 200), "traefik": Reply(0, 302)}
    assert (seen.address, seen.backend) == (MESH.address, None)
    assert nodes.asked == [("pve", "10.0.0.153:443"), ("pve", "10.0.0.12:443")]


def test_route_that_does_not_answer() -> None:
    """The service is asked by its own node, and the guest what listens if no connection is made."""
    nodes = Nodes({"10.0.0.153:443": "28 000 0.1", "10.0.0.12:443": "0 502 0.1", "10.0.0.60:8000": "7 000 0.0"})
    seen = asked(nodes, far())
    assert seen.backend == Reply(7, connected=False)
    assert seen.listening == {"wiki": Listening({8000: frozenset({"0.0.0.0"})})}
    assert nodes.asked[2:] == [("pve2", "10.0.0.60:8000"), ("wiki", "listening")]


def test_guest_that_cannot_be_asked() -> None:
    """What listens on a guest that does not answer is unknown."""
    replies = {"10.0.0.153:443": "28 000 0.1", "10.0.0.12:443": "28 000 0.1", "10.0.0.60:8000": "28 000 0.0"}
    assert asked(Nodes(replies, ("wiki",)), far()).listening == {}


def test_node_that_is_lost() -> None:
    """Without an answer of the node nothing is known."""
    assert asked(Nodes({}, ("pve", "pve2")), far()).entries == {}


@pytest.mark.parametrize(
    ("scheme", "lines"),
    [
        ("http", ["https://wiki.lab.test/up 10.0.0.153:443 web", "http://wiki.lab.test/up 10.0.0.60:8000 web"]),
        ("https", ["https://wiki.lab.test/up 10.0.0.153:443 web", "https://wiki.lab.test/up 10.0.0.60:8000 web"]),
        ("h2c", ["https://wiki.lab.test/up 10.0.0.153:443 grpc", "http://wiki.lab.test/up 10.0.0.60:8000 grpc"]),
    ],
)
def test_requests(scheme: str, lines: list[str]) -> None:
    """Edge and mesh are asked by TLS for the name, the service as the mesh asks it."""
    one = RouteProbe(NAME, route(scheme, "/up"), (EDGE, MESH), FAR, checked=True, external=False, starts=False)
    assert [request.line for request in (entry_requests(one)[0], *backend_request(one))] == lines
    assert backend_request(probe(dashboard=True)) == ()
