"""The forwarder's ports, and the record that identifies a running forwarder."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from phoenix.lab.forward import listener, record, running, start_time

pytestmark = pytest.mark.timeout(10)


def test_preferred_port() -> None:
    """The forwarder listens on the preferred port if it is free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with listener(port) as server:
        assert server.getsockname() == ("127.0.0.1", port)


def test_port_in_use() -> None:
    """If the preferred port is in use, the forwarder listens on another loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as taken, listener(taken.getsockname()[1]) as server:
        assert server.getsockname()[0] == "127.0.0.1"
        assert server.getsockname()[1] != taken.getsockname()[1]


def entry(**changes: object) -> str:
    """Return a forwarder's record of this process, with changes."""
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
    ids=["this process", "another start", "no process", "no JSON", "no fields"],
)
def test_running(tmp_path: Path, content: str, runs: bool) -> None:  # noqa: FBT001 - a column of the table
    """A record counts only if its process has the recorded start time, because process ids are reused."""
    record(tmp_path).write_text(content)
    assert (running(tmp_path) is not None) is runs


def test_no_record(tmp_path: Path) -> None:
    """Without a record, no forwarder runs."""
    assert running(tmp_path) is None
