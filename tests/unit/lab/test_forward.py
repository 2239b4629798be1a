"""The forwarder's ports, and the record by which a running one is known."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from phoenix.lab.forward import listener, record, running, start_time

pytestmark = pytest.mark.timeout(10)


def test_wanted_port() -> None:
    """The wanted port is taken when it is free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with listener(port) as server:
        assert server.getsockname() == ("127.0.0.1", port)


def test_port_in_use() -> None:
    """Where somebody else listens, another port of the loopback is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken, listener(taken.getsockname()[1]) as server:
        assert server.getsockname()[0] == "127.0.0.1"
        assert server.getsockname()[1] != taken.getsockname()[1]


def entry(**changes: object) -> str:
    """A forwarder's record that names this very process, with changes."""
    return json.dumps({"pid": os.getpid(), "began": start_time(os.getpid()), "api": 1, "ssh": 2} | changes)


@pytest.mark.parametrize(
    ("content", "runs"),
    [
        (entry(), True),
        (entry(began="1"), False),
        (entry(pid=2**22 + 1), False),
        ("{", False),
        ("{}", False),
    ],
)
def test_running(tmp_path: Path, content: str, runs: bool) -> None:  # noqa: FBT001 - a column of the table
    """A record is believed only if its process began when it says: process ids are used again."""
    record(tmp_path).write_text(content)
    assert (running(tmp_path) is not None) is runs


def test_no_record(tmp_path: Path) -> None:
    """Without a record no forwarder runs."""
    assert running(tmp_path) is None
