"""The lab's API keeps and closes connections as pveproxy does; facts `bad-token` and `keep-alive` of the recordings."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
from pathlib import Path

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.lab.pve.api.server import LabPve
from phoenix.lab.pve.role import TOKEN
from tests.support.lab_pve import make, serving
from tests.support.recordings import facts

FACTS = facts()


@pytest.fixture
def pve(tmp_path: Path) -> LabPve:
    """Return a server."""
    return make(tmp_path)


def connection(pve: LabPve) -> contextlib.closing[http.client.HTTPSConnection]:
    """Return a connection that a client would keep."""
    context = ssl._create_unverified_context()
    return contextlib.closing(http.client.HTTPSConnection("127.0.0.1", pve.port, context=context, timeout=20))


def ask(kept: http.client.HTTPSConnection, secret: str = "s3cret") -> tuple[http.client.HTTPResponse, bytes]:
    """Ask for the version, and return the answer and its body."""
    kept.request("GET", "/api2/json/version", headers={"Authorization": f"PVEAPIToken={TOKEN}={secret}"})
    answer = kept.getresponse()
    return answer, answer.read()


def test_wrong_token_gets_an_empty_answer(pve: LabPve) -> None:
    """Status and reason are the recorded ones, the body is empty, and the connection closes."""
    fact = FACTS["bad-token"]
    with serving(pve), connection(pve) as kept:
        answer, body = ask(kept, "wrong")
    assert (answer.status, answer.reason, body.decode()) == (fact["status"], fact["reason"], fact["body"])
    assert answer.headers["Connection"].lower() == "close"


def test_connection_closes_after_its_last_request(pve: LabPve) -> None:
    """The hundredth answer closes the connection."""
    with serving(pve), connection(pve) as kept:
        assert [ask(kept)[0].will_close for _ in range(100)] == [False] * 99 + [True]


def test_idle_connection_closes(pve: LabPve) -> None:
    """A connection is closed when it was idle for as long as pveproxy waits."""
    assert pve.idle_limit == 5.0
    pve.idle_limit = 0.2
    with serving(pve), connection(pve) as kept:
        ask(kept)
        assert kept.sock is not None
        began = time.monotonic()
        assert kept.sock.recv(1) == b""
        assert time.monotonic() - began > 0.1
