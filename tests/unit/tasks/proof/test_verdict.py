"""What was observed of a route, as a verdict: the first broken link, where it is, and what to do."""

from __future__ import annotations

import pytest

from phoenix.derive.route_probes import RouteProbe
from phoenix.tasks.proof.reply import Listening, Reply, RouteReplies
from phoenix.tasks.proof.verdict import FIND_RULE, RouteState, judge
from tests.unit.tasks.proof.probes import EDGE, MESH, NAME, SERVICE, probe

REFUSED, LOST, HANGS, TLS = Reply(7, connected=False), Reply(28, connected=False), Reply(28), Reply(60)
PLAIN, CHECKED, EXTERNAL, DASHBOARD = probe(), probe(checked=True), probe(external=True), probe(dashboard=True)
OPEN, LOCAL, CLOSED = ({8000: frozenset({one})} if one else {} for one in ("0.0.0.0", "127.0.0.1", ""))


def status(code: int) -> Reply:
    """A reply with a status."""
    return Reply(0, code)


def seen(
    mesh: Reply,
    backend: Reply | None = None,
    listening: dict[int, frozenset[str]] | None = None,
    *,
    edge: Reply | None = None,
    address: str = MESH.address,
) -> RouteReplies:
    """The observation of a route whose edge replies as the mesh does, unless it is given."""
    known = {} if listening is None else {SERVICE.guest: Listening(listening)}
    return RouteReplies({EDGE.guest: edge or mesh, MESH.guest: mesh}, address, backend, known)


@pytest.mark.parametrize(
    ("one", "observed", "state", "at"),
    [
        (PLAIN, seen(status(200)), "answers", "traefik"),
        (PLAIN, seen(status(302)), "answers", "traefik"),
        (PLAIN, seen(status(401), status(401)), "answers", "traefik"),
        (PLAIN, seen(status(404), status(404)), "answers", "traefik"),
        (CHECKED, seen(status(302)), "answers", "traefik"),
        (CHECKED, seen(status(404), status(404)), "status", "wiki"),
        (PLAIN, seen(status(503), status(503)), "status", "wiki"),
        (PLAIN, seen(status(404), status(200)), "misrouted", "traefik"),
        (PLAIN, seen(status(200), status(200), edge=status(403)), "misrouted", "nginx-gateway"),
        (PLAIN, seen(status(502), status(200)), "dropped", "traefik"),
        (PLAIN, seen(HANGS, status(404)), "dropped", "traefik"),
        (PLAIN, seen(status(200), status(200), edge=status(504)), "dropped", "nginx-gateway"),
        (PLAIN, seen(status(500), status(200)), "misrouted", "traefik"),
        (PLAIN, seen(HANGS, REFUSED, CLOSED), "not listening", "wiki"),
        (PLAIN, seen(HANGS, LOST, CLOSED), "not listening", "wiki"),
        (PLAIN, seen(HANGS, REFUSED, LOCAL), "listens elsewhere", "wiki"),
        (PLAIN, seen(HANGS, LOST, OPEN), "dropped", "wiki"),
        (PLAIN, seen(HANGS, LOST), "silent", "wiki"),
        (PLAIN, seen(HANGS, HANGS), "silent", "wiki"),
        (PLAIN, seen(status(500), TLS), "certificate", "wiki"),
        (PLAIN, seen(TLS), "certificate", "nginx-gateway"),
        (PLAIN, seen(TLS, status(200), edge=status(502)), "certificate", "traefik"),
        (PLAIN, seen(status(200), address=""), "unresolved", "pve"),
        (PLAIN, seen(status(200), address="10.0.0.99"), "unresolved", "pve"),
        (DASHBOARD, seen(status(403)), "status", "traefik"),
        (DASHBOARD, seen(status(200)), "answers", "traefik"),
    ],
)
def test_states(one: RouteProbe, observed: RouteReplies, state: RouteState, at: str) -> None:
    """A route has the state of this table; only one that answers has no text."""
    verdict = judge(one, observed)
    assert (verdict.state, verdict.at) == (state, at)
    assert verdict.is_failure is (state != "answers")
    assert bool(verdict.text) is (state != "answers")


@pytest.mark.parametrize(
    ("observed", "is_failure"),
    [
        (seen(HANGS, REFUSED, CLOSED), False),
        (seen(HANGS, HANGS), False),
        (seen(status(503), status(503)), False),
        (seen(HANGS, LOST, OPEN), True),
        (seen(status(500), TLS), True),
        (seen(TLS), True),
        (seen(status(404), status(200)), True),
    ],
)
def test_external_programs(observed: RouteReplies, *, is_failure: bool) -> None:
    """An external program may be down; a firewall, a certificate or a route that is wrong is a failure."""
    assert judge(EXTERNAL, observed).is_failure is is_failure


@pytest.mark.parametrize(
    ("one", "observed", "text"),
    [
        (
            PLAIN,
            seen(HANGS, REFUSED, CLOSED),
            "nothing listens on 10.0.0.60:8000 (refused). Start its program, or say `workload: external`.",
        ),
        (
            EXTERNAL,
            seen(HANGS, LOST, CLOSED),
            "nothing listens on 10.0.0.60:8000 (no answer). Start its program, which is external.",
        ),
        (
            PLAIN,
            seen(HANGS, REFUSED, LOCAL),
            "the program listens on 127.0.0.1 port 8000 only. Make it listen on 10.0.0.60:8000.",
        ),
        (
            PLAIN,
            seen(HANGS, LOST, OPEN),
            f"wiki listens on 10.0.0.60:8000, but connections from pve are dropped. {FIND_RULE}",
        ),
        (
            PLAIN,
            seen(TLS),
            (
                "nginx-gateway (10.0.0.153:443) presents no valid certificate for wiki.lab.test. "
                "Look at it with `phoenix audit`, or deploy it: `phoenix deploy --target nginx-gateway`."
            ),
        ),
        (
            CHECKED,
            seen(status(404), status(404)),
            (
                "wiki (10.0.0.60:8000) answers 404 to /; 2xx or 3xx is expected, because `health` names it. "
                "Look at its log."
            ),
        ),
        (
            PLAIN,
            seen(status(404), status(200)),
            (
                "traefik (10.0.0.12:443) answers 404 itself, but the service answers pve. "
                "Deploy traefik: `phoenix deploy --target traefik`."
            ),
        ),
        (
            PLAIN,
            seen(status(200), address=""),
            "on pve does not resolve to 10.0.0.12. Deploy its DNS: `phoenix deploy --target pve`.",
        ),
    ],
)
def test_messages(one: RouteProbe, observed: RouteReplies, text: str) -> None:
    """A message is one line: the name, what is wrong, where, and what to do."""
    assert str(judge(one, observed)) == f"{NAME}: {text}"


def test_guest_that_does_not_run() -> None:
    """A guest that does not run is reported as such."""
    stopped = RouteReplies({EDGE.guest: HANGS, MESH.guest: HANGS}, MESH.address, LOST, {"wiki": Listening(runs=False)})
    assert judge(EXTERNAL, stopped).state == "not running"


def test_node_that_could_not_ask() -> None:
    """Without a reply the route is not proven."""
    verdict = judge(PLAIN, RouteReplies({}))
    assert (verdict.state, verdict.is_failure) == ("silent", True)
