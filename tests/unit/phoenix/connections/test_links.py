"""Connections of a run: each is made once, and may begin before anybody asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from phoenix.connections.access import ApiAccess, HypervisorAccess
from phoenix.connections.links import Links
from phoenix.connections.ssh import ConnectionFailedError
from tests.support.estates import estate
from tests.support.ssh_server import SshServer

API = ApiAccess(
    url="https://127.0.0.1:1",
    fingerprint=":".join(["AA"] * 32),
    token_id="phoenix@pve!deploy",
    token_secret="00000000-0000-0000-0000-000000000000",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    """The node."""
    made = SshServer(tmp_path)
    yield made
    made.close()


def links(server: SshServer, key_file: Path | None = None) -> Links:
    """Links to an estate of one node."""
    return Links(estate(), {"pve": HypervisorAccess(api=API, ssh=server.access(key_file=key_file))})


def made(server: SshServer, number: int) -> bool:
    """Tell whether so many connections were authenticated within some seconds, closed ones included, and no more."""
    deadline = time.monotonic() + 10
    while authenticated(server) < number and time.monotonic() < deadline:
        time.sleep(0.01)
    return authenticated(server) == number


def authenticated(server: SshServer) -> int:
    """Count the connections that were authenticated; a transport itself forgets that when it is closed."""
    handlers = (one.auth_handler for one in server.transports)
    return sum(handler is not None and handler.is_authenticated() for handler in handlers)


def test_begun_before_it_is_asked_for(server: SshServer) -> None:
    """A connection that was begun is made by itself, and is the one that all threads get."""
    found = links(server)
    found.begin(["pve"])
    assert made(server, 1)
    with ThreadPoolExecutor(8) as pool:
        assert {done.out for done in pool.map(lambda _: found.shell("pve").run("true"), range(8))} == {"out"}
    assert len(server.transports) == 1
    found.close()


def test_failure_is_told_to_who_asks(server: SshServer) -> None:
    """A beginning that fails harms nobody; the first who asks is told why, and the next one tries again."""
    found = links(server, key_file=server.folder / "other")
    found.begin(["pve"])
    for attempt in (1, 2):
        with pytest.raises(ConnectionFailedError, match=r"pve .*: root was refused"):
            found.shell("pve")
        assert len(server.transports) == attempt
    found.close()


def test_closed_before_it_was_asked_for(server: SshServer) -> None:
    """What was begun and never used is closed as well, even if it is made only after that."""
    found = links(server)
    found.begin(["pve"])
    found.close()
    assert made(server, 1)
    deadline = time.monotonic() + 10
    while server.transports[0].is_active() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not server.transports[0].is_active()
