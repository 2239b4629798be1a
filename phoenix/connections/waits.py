"""What a run waits for: every wait has a limit, counted from its start, and is announced if it lasts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from phoenix.errors import PhoenixError

ANNOUNCE_SECONDS = 2.0
ANNOUNCE_FACTOR = 4
"""A wait is announced after ANNOUNCE_SECONDS, and again each time it has become this many times as long."""

AnnounceWait = Callable[[str, str], None]
"""Receives the host that waits, and what it waits for."""
_acting: ContextVar[str] = ContextVar("acting", default="")


class WaitExpiredError(PhoenixError):
    """The limit of a wait was reached; the message says what was waited for and how long."""


@dataclass(frozen=True)
class Wait:
    """One wait; `limit` is in seconds from `started`, by the monotonic clock."""

    what: str
    limit: float
    started: float = field(default_factory=time.monotonic)

    @property
    def remaining(self) -> float:
        """The seconds until the limit, at least 0."""
        return max(0.0, self.started + self.limit - time.monotonic())

    @property
    def is_expired(self) -> bool:
        """Report whether the limit is reached."""
        return not self.remaining

    def __str__(self) -> str:
        return f"waits for {self.what}: {time.monotonic() - self.started:.0f} s of {self.limit:.0f} s"


@contextmanager
def acting_for(host: str) -> Iterator[None]:
    """Announce the waits of this thread during the block as those of a host."""
    token = _acting.set(host)
    try:
        yield
    finally:
        _acting.reset(token)


class Waits:
    """The waits of one run; threads can share it. `announce` is called from threads of its own."""

    def __init__(self) -> None:
        self.announce: AnnounceWait = _ignore

    @contextmanager
    def waiting(self, what: str, limit: float, host: str = "") -> Iterator[Wait]:
        """Announce the block as a wait if it lasts. `host` is its host if the thread acts for none.

        The block ends the wait at its limit, in seconds, and raises an error that says what to do.
        """
        wait, ended = Wait(what, limit), threading.Event()
        arguments = (_acting.get() or host, wait, ended)
        threading.Thread(target=self._watch, args=arguments, daemon=True).start()
        try:
            yield wait
        finally:
            ended.set()

    def _watch(self, host: str, wait: Wait, ended: threading.Event) -> None:
        at = ANNOUNCE_SECONDS
        while not ended.wait(wait.started + at - time.monotonic()):
            self.announce(host, str(wait))
            at *= ANNOUNCE_FACTOR


class TurnQueue:
    """Locks by key, so that threads take turns; who waits for its turn is announced."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self._turns: dict[object, threading.Lock] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, key: object, what: str, limit: float) -> Iterator[None]:
        """Hold the key's turn during the block; WaitExpiredError if it is not free within `limit` seconds."""
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        if not turn.acquire(blocking=False):
            with self._waits.waiting(what, limit):
                if not turn.acquire(timeout=limit):
                    raise WaitExpiredError(
                        f"waited {limit:.0f} s for {what}: look at the node's task list, then repeat"
                    )
        try:
            yield
        finally:
            turn.release()


def _ignore(_host: str, _text: str) -> None:
    """Announce nothing."""
