"""Connections of a run: each is opened once, possibly before its first use."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from phoenix.connections.access import ApiAccess, HypervisorAccess
from phoenix.connections.links import Links
from phoenix.connections.ssh import ConnectionFailedError
from tests.support.estates import estate, guest
from tests.support.ssh_server import SshServer
from tests.support.waiting import until

API = ApiAccess(
    url="https://127.0.0.1:1",
    fingerprint=":".join(["AA"] * 32),
    token_id="phoenix@pve!deploy",
    token_secret="00000000-0000-0000-0000-000000000000",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    """Run the node's SSH server."""
    server = SshServer(tmp_path)
    yield server
    server.close()


def links(server: SshServer, key_file: Path | None = None) -> Links:
    """Create links to an estate with one node."""
    return Links(estate(), {"pve": HypervisorAccess(api=API, ssh=server.access(key_file=key_file))})


def authenticated(server: SshServer, number: int) -> bool:
    """Report whether exactly this number of connections was authenticated within 10 s."""
    deadline = time.monotonic() + 10
    while _count(server) < number and time.monotonic() < deadline:
        time.sleep(0.01)
    return _count(server) == number


def _count(server: SshServer) -> int:
    """Count the connections that were authenticated, including those that are closed by now."""
    handlers = (one.auth_handler for one in server.transports)
    return sum(handler is not None and handler.is_authenticated() for handler in handlers)


def test_opened_before_its_use(server: SshServer) -> None:
    """A connection is opened in the background, and all threads share it."""
    opened = links(server)
    opened.begin(["pve"])
    assert authenticated(server, 1)
    with ThreadPoolExecutor(8) as pool:
        assert {done.out for done in pool.map(lambda _: opened.shell("pve").run("true"), range(8))} == {"out"}
    assert len(server.transports) == 1
    opened.close()


def test_failure_in_the_background(server: SshServer) -> None:
    """A connection that fails in the background raises its error at the first use; the next use connects again."""
    opened = links(server, key_file=server.folder / "other")
    opened.begin(["pve"])
    for attempt in (1, 2):
        with pytest.raises(ConnectionFailedError, match=r"pve .*: root was refused"):
            opened.shell("pve")
        assert len(server.transports) == attempt
    opened.close()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"content": "NODE comment"}, "its agent reports the host key of a node as its own"),
        ({"content": ""}, "no host key"),
        ({}, "no host key"),
        ([], "no host key"),
    ],
)
def test_host_key_of_an_agent(server: SshServer, monkeypatch: pytest.MonkeyPatch, answer: object, says: str) -> None:
    """A machine whose agent reports a node's key, or none, is not entered."""
    opened = links(server)
    box = guest("box", 21, "vm", kind="vm", disk_image="local:import/x.img", ostemplate=None)
    opened.estate = estate(box)
    if isinstance(answer, dict) and "content" in answer:
        answer = {"content": answer["content"].replace("NODE", server.access().host_key)}
    monkeypatch.setattr(opened.api("pve"), "get", lambda path, **_fields: answer if "file-read" in path else {})
    with pytest.raises(ConnectionFailedError, match=says):
        opened.shell("box")
    opened.close()


@pytest.mark.parametrize(("node_answers", "asked"), [(True, 1), (False, 0)])
def test_questions_of_an_unreachable_machine(
    server: SshServer, monkeypatch: pytest.MonkeyPatch, *, node_answers: bool, asked: int
) -> None:
    """The agent is asked once for the key, and the node connected to once, for all addresses that are tried."""
    opened = links(server, key_file=None if node_answers else server.folder / "other")
    box = guest("box", 21, "vm", kind="vm", disk_image="local:import/x.img", ostemplate=None)
    opened.estate = estate(box)
    paths: list[str] = []

    def get(path: str, **_fields: object) -> object:
        paths.append(path.rpartition("/")[2])
        return {"content": "ssh-ed25519 AAAA"} if "file-read" in path else {"ipconfig0": "ip=10.0.0.77/24"}

    monkeypatch.setattr(opened.api("pve"), "get", get)
    with pytest.raises(ConnectionFailedError):
        opened.shell("box")
    assert (paths.count("file-read"), len(server.transports)) == (asked, 1)
    assert ("config" in paths) is node_answers
    opened.close()


def test_closed_before_its_use(server: SshServer) -> None:
    """A connection that is pending when the links are closed is closed as soon as it is open."""
    opened = links(server)
    opened.begin(["pve"])
    opened.close()
    assert authenticated(server, 1)
    until(lambda: not server.transports[0].is_active())
