"""The SSH connection against a server of its own: the pin is verified, and every operation has a time limit."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from phoenix.connections import ssh
from phoenix.connections.ssh import ConnectionFailedError, connect
from tests.support.ssh_server import SshServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """Run one server for all tests."""
    server = SshServer(tmp_path_factory.mktemp("ssh"))
    yield server
    server.close()


def test_run(server: SshServer) -> None:
    """Input, output, errors and exit status are transmitted, also more data than an SSH window."""
    link = connect(server.access(), "pve")
    done = link.run("cat", b"x" * 3_000_000)
    assert (done.status, len(done.out), done.err) == (0, 3_000_000, "err")
    assert link.run("other").status == 3
    link.close()
    assert not link.alive


def test_file_as_input(server: SshServer, tmp_path: Path) -> None:
    """A file of the controller is sent unchanged as standard input."""
    (tmp_path / "f").write_bytes(b"y" * 600_000)
    link = connect(server.access(), "pve")
    assert len(link.run("cat", tmp_path / "f").out) == 600_000
    link.close()


def test_wrong_host_key(server: SshServer) -> None:
    """A server with a host key other than the pinned one is rejected before authentication."""
    with pytest.raises(
        ConnectionFailedError, match=r"pve \(127.0.0.1:\d+\): no SSH connection: the host key is not"
    ) as rejected:
        connect(server.access(host_key=server.other_key), "pve")
    for key in (server.other_key, server.host_key):
        assert key.fingerprint in str(rejected.value)
    assert not server.transports[-1].is_authenticated()


def test_wrong_user_key(server: SshServer) -> None:
    """The message names a key that the server rejects, and the file to which it must be added."""
    with pytest.raises(ConnectionFailedError, match=r"root was refused with the key .*other: add .*other.pub to"):
        connect(server.access(key_file=server.folder / "other"), "pve")


@pytest.mark.parametrize("content", [None, b"no key"])
def test_unusable_key(server: SshServer, tmp_path: Path, content: bytes | None) -> None:
    """The message names a key file that is missing or not a key."""
    if content:
        (tmp_path / "k").write_bytes(content)
    with pytest.raises(ConnectionFailedError, match=r"the private key .* cannot be used"):
        connect(server.access(key_file=tmp_path / "k"), "pve")


def test_closed_port(server: SshServer) -> None:
    """A closed port is reported with the name and the address of the host, and the cause."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    access = server.access().model_copy(update={"port": port})
    with pytest.raises(ConnectionFailedError, match=rf"pve \(127.0.0.1:{port}\): SSH is not reachable: .*refused"):
        connect(access, "pve")


def test_silent_server(server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts the connection but sends no data is an error after the time limit."""
    monkeypatch.setattr(ssh, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        access = server.access().model_copy(update={"port": mute.getsockname()[1]})
        start = time.monotonic()
        with pytest.raises(ConnectionFailedError, match="no SSH connection"):
            connect(access, "pve")
        assert time.monotonic() - start < 5


def test_command_that_hangs(server: SshServer) -> None:
    """A command that exceeds its limit is aborted, and the connection serves further commands."""
    link = connect(server.access(), "pve")
    with pytest.raises(ConnectionFailedError, match="no answer within 0 s"):
        link.run("hang", limit=0.3)
    assert link.run("cat", b"still here").out == "still here"
    link.close()


def test_connection_that_breaks(server: SshServer) -> None:
    """A connection that is lost in the middle of a command is an error that names the host."""
    link = connect(server.access(), "pve")
    with pytest.raises(ConnectionFailedError, match="pve"):
        link.run("drop", limit=5)
    with pytest.raises(ConnectionFailedError, match="pve"):
        link.run("cat", limit=5)


def test_eight_at_once(server: SshServer) -> None:
    """Many threads share the connection, with at most eight open sessions."""
    link = connect(server.access(), "pve")
    server.inside = server.most = 0
    with ThreadPoolExecutor(24) as pool:
        assert {done.status for done in pool.map(lambda _: link.run("slow"), range(40))} == {3}
    assert 1 < server.most <= 8
    link.close()


def test_refused_tunnel(server: SshServer) -> None:
    """The message about a refused tunnel names both ends."""
    link = connect(server.access(), "pve")
    with pytest.raises(ConnectionFailedError, match=r"10.0.0.111:22 is not reachable from pve"):
        link.tunnel("10.0.0.111", 22)
    link.close()
