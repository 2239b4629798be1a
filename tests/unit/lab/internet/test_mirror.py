"""The package mirror of the lab's Internet serves packages, and refuses those that need a subscription."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from phoenix.lab.internet import mirror
from phoenix.lab.internet.names import NAMES, SUBSCRIPTION

pytestmark = pytest.mark.timeout(10)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Serve one file and return the port."""
    (tmp_path / "debian/pve").mkdir(parents=True)
    (tmp_path / "debian/pve/InRelease").write_text("x")
    (tmp_path / "secret").write_text("x")
    server = mirror.server("127.0.0.1", tmp_path, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("deb.debian.org", "/debian/pve/InRelease", 200),
        ("deb.debian.org", "/secret", 404),
        (SUBSCRIPTION, "/debian/pve/InRelease", 401),
    ],
)
def test_answers(host: str, path: str, status: int, port: int) -> None:
    """Packages are served by path; without subscription, the host of subscribers' packages answers 401."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", path, headers={"Host": host})
        assert connection.getresponse().status == status


def test_resolver_knows_the_host_of_subscribers() -> None:
    """Its name resolves to the mirror."""
    assert NAMES[SUBSCRIPTION] == NAMES["deb.debian.org"]
