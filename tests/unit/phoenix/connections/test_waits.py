"""Waits: announced when they last, bounded, and one at a time for a key."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from phoenix.connections import waits as module
from phoenix.connections.links import Links
from phoenix.connections.waits import TurnQueue, WaitExpiredError, Waits, acting_for
from tests.support.estates import estate


class Lines:
    """Collects announcements."""

    def __init__(self) -> None:
        self.waits = Waits()
        self.waits.announce = lambda host, text: self.seen.append((host, text))
        self.seen: list[tuple[str, str]] = []


def test_short_waits_are_silent() -> None:
    """A wait that ends at once is not announced."""
    lines = Lines()
    with lines.waits.waiting("x", 10):
        pass
    time.sleep(0.05)
    assert lines.seen == []


def test_long_waits_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that lasts is announced with host, elapsed time and limit, and again at growing intervals."""
    monkeypatch.setattr(module, "ANNOUNCE_SECONDS", 0.02)
    lines = Lines()
    with acting_for("wiki"), lines.waits.waiting("the lock (disk) of CT 900", 600, "pve") as wait:
        time.sleep(0.2)
        assert not wait.is_expired
    with lines.waits.waiting("another", 0.05, "pve") as wait:
        time.sleep(0.1)
        assert wait.is_expired
    time.sleep(0.2)
    assert [host for host, _ in lines.seen] == ["wiki", "wiki", "pve", "pve"]
    assert lines.seen[0][1] == "waits for the lock (disk) of CT 900: 0 s of 600 s"


def test_clones_of_one_template_take_turns() -> None:
    """Clones of one template run one after the other, all of them in the end."""
    links, cloning, most = Links(estate(), {}), threading.Semaphore(1), []

    def clone() -> None:
        with links.clone_queue("pve", 900):
            most.append(cloning.acquire(blocking=False))
            time.sleep(0.02)
            cloning.release()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(clone) for _ in range(4)]:
            done.result(10)
    assert most == [True] * 4


@pytest.mark.parametrize("other", [("pve", 901), ("pve2", 900)])
def test_other_clones_do_not_wait(other: tuple[str, int]) -> None:
    """Clones of another template, or of a template of another node, run at the same time."""
    links = Links(estate(), {})
    with links.clone_queue("pve", 900), links.clone_queue(*other, 0.0):
        pass


def test_a_turn_is_waited_for_with_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits too long for a turn gets an error that names what it waited for; the wait was announced."""
    monkeypatch.setattr(module, "ANNOUNCE_SECONDS", 0.02)
    lines = Lines()
    queue = TurnQueue(lines.waits)
    with (
        queue.turn(900, "earlier clones of template 900", 1),
        pytest.raises(WaitExpiredError, match="waited 0 s for earlier clones of template 900"),
        queue.turn(900, "earlier clones of template 900", 0.1),
    ):
        pass
    assert lines.seen[0][1] == "waits for earlier clones of template 900: 0 s of 0 s"
    with queue.turn(900, "x", 0):
        pass


def test_a_turn_ends_with_an_error() -> None:
    """A clone that fails gives its turn to the next one."""
    queue = TurnQueue(Waits())
    with pytest.raises(ValueError, match="no room"), queue.turn(1, "x", 1):
        raise ValueError("no room")
    with queue.turn(1, "x", 0):
        pass
