"""How long the proof waits, and for what."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from phoenix.derive.route_probes import RouteProbe
from phoenix.tasks.proof.patience import SETTLE_SECONDS, SLOW_SECONDS, START_SECONDS, patience
from phoenix.tasks.proof.reply import Listening, Reply, RouteReplies
from phoenix.tasks.proof.routes import settled, unanswered
from phoenix.tasks.proof.verdict import RouteState, RouteVerdict
from tests.unit.tasks.proof.probes import MESH, probe

GOOD, SILENT, REFUSED = Reply(0, 200), Reply(28), Reply(7, connected=False)
UP = RouteReplies({"nginx-gateway": GOOD, "traefik": GOOD}, MESH.address)
DOWN = RouteReplies({"nginx-gateway": SILENT, "traefik": SILENT}, MESH.address, REFUSED, {"wiki": Listening()})


@pytest.mark.parametrize(
    ("one", "state", "at", "targets", "seconds"),
    [
        (probe(), "answers", "traefik", {"traefik"}, 0),
        (probe(starts=True), "not listening", "wiki", {"wiki"}, START_SECONDS),
        (probe(starts=True), "not listening", "wiki", {"traefik"}, SETTLE_SECONDS),
        (probe(), "not listening", "wiki", {"wiki"}, SETTLE_SECONDS),
        (probe(), "status", "wiki", {"wiki"}, SETTLE_SECONDS),
        (probe(), "silent", "wiki", {"wiki"}, SLOW_SECONDS),
        (probe(external=True), "silent", "wiki", {"wiki"}, SLOW_SECONDS),
        (probe(external=True), "not listening", "wiki", {"wiki"}, 0),
        (probe(), "dropped", "wiki", {"wiki"}, SLOW_SECONDS),
        (probe(), "certificate", "traefik", {"traefik", "wiki"}, START_SECONDS),
        (probe(), "certificate", "traefik", {"wiki"}, SETTLE_SECONDS),
        (probe(), "misrouted", "traefik", {"traefik"}, START_SECONDS),
        (probe(dashboard=True), "status", "traefik", {"wiki"}, SETTLE_SECONDS),
    ],
)
def test_patience(one: RouteProbe, state: RouteState, at: str, targets: set[str], seconds: float) -> None:
    """A run waits long only for what it may have started or changed."""
    is_failure = state != "answers" and not (one.external and state in ("not listening", "silent"))
    assert patience(one, RouteVerdict("wiki", state, at, "", is_failure), frozenset(targets)) == seconds


class Clock:
    """Answers that change with time, which passes only while the proof asks or sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, up_after: float) -> None:
        self.now, self.up_after = 0.0, up_after
        self.asked: list[int] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def ask(self, probes: Iterable[RouteProbe], seconds: int) -> dict[RouteProbe, RouteReplies]:
        """Observe routes; a route that is down takes all the seconds."""
        self.asked.append(seconds)
        is_up = self.now >= self.up_after
        self.now += 0 if is_up else seconds
        return dict.fromkeys(probes, UP if is_up else DOWN)


@pytest.mark.parametrize(
    ("one", "up_after", "limit", "state", "asked"),
    [
        (probe(), 0, None, "answers", [2]),
        (probe(starts=True), 5, None, "answers", [2, 4, 8]),
        (probe(starts=True), 999, None, "not listening", [2, 4, 8, 8, 8, 8, 8]),
        (probe(starts=True), 999, 5, "not listening", [2, 4]),
        (probe(), 999, None, "not listening", [2, 4]),
        (probe(external=True), 999, None, "not listening", [2]),
    ],
)
def test_waiting(
    monkeypatch: pytest.MonkeyPatch,
    one: RouteProbe,
    up_after: float,
    *,
    limit: float | None,
    state: RouteState,
    asked: list[int],
) -> None:
    """A program that Phoenix starts is awaited for a limited time, any other is not."""
    clock = Clock(monkeypatch, up_after)
    (verdict,) = settled([one], clock.ask, frozenset({"wiki"}), limit)
    assert (verdict.state, clock.asked) == (state, asked)


def test_only_open_routes_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A route that answers is asked once."""
    clock, other = Clock(monkeypatch, 999), probe(external=True)
    asked: list[list[RouteProbe]] = []

    def ask(probes: Iterable[RouteProbe], seconds: int) -> dict[RouteProbe, RouteReplies]:
        asked.append([*probes])
        return clock.ask(asked[-1], seconds)

    settled([probe(), other], ask, frozenset({"wiki"}))
    assert asked == [[probe(), other], [probe()]]


def test_no_routes() -> None:
    """Without routes nothing is asked."""
    assert settled([], lambda *_: {}, frozenset()) == []


def test_message() -> None:
    """Each route has a line of its own."""
    assert unanswered(["a: x"]) == "1 route does not answer:\n  a: x"
    assert unanswered(["a: x", "b: y"]) == "2 routes do not answer:\n  a: x\n  b: y"
