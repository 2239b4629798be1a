"""The API lane against a Proxmox API of its own: pins, tokens, tasks, locks."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from requests import Request
from requests.adapters import HTTPAdapter
from requests.exceptions import SSLError

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.connections import proxmox
from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.connections.trusting import trusting
from tests.support.chains import HOUR, Authority
from tests.support.pve_server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One API for all tests."""
    made = Server(tmp_path_factory.mktemp("api"))
    yield made
    made.stop()


@pytest.fixture
def client(server: Server) -> Iterator[ProxmoxClient]:
    """A client with everything right."""
    made = ProxmoxClient(server.access(), "pve")
    yield made
    made.close()


def test_read(client: ProxmoxClient) -> None:
    """With the right pin and token the API answers."""
    assert client.get("version")["version"]


def test_wrong_fingerprint(server: Server) -> None:
    """Another certificate than the pinned one is refused, and nothing is sent to it, above all no token."""
    before = len(server.pve.requests)
    wrong = "00" + server.fingerprint[2:]
    with pytest.raises(
        ApiError, match=r"pve \(https://127.0.0.1:\d+\): .*the certificate is not the pinned one"
    ) as refused:
        ProxmoxClient(server.access(fingerprint=wrong), "pve").get("version")
    assert refused.value.status == 0
    assert len(server.pve.requests) == before


NAME = "node.lab.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for all tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Server]:
    """An API whose certificate is the authority's, for a name that is not the host of its URL."""
    made = Server(tmp_path_factory.mktemp("signed"), authority.leaf(NAME))
    yield made
    made.stop()


def test_authority(signed: Server, authority: Authority) -> None:
    """A certificate of the authority is accepted for the name that was said."""
    access = signed.access(fingerprint=None, ca=str(authority.root), name=NAME)
    assert ProxmoxClient(access, "pve").get("version")["version"]


@pytest.mark.parametrize("name", ["other.lab.test", None])
def test_wrong_name(signed: Server, authority: Authority, name: str | None) -> None:
    """For another name it is refused, for the host of the URL too, and nothing is sent."""
    before = len(signed.pve.requests)
    access = signed.access(fingerprint=None, ca=str(authority.root), name=name)
    says = f"not trusted by `ca` of the access file: .*mismatch, certificate is not valid for '{access.server}'"
    with pytest.raises(ApiError, match=says):
        ProxmoxClient(access, "pve").get("version")
    assert len(signed.pve.requests) == before


def test_other_authority(signed: Server, tmp_path: Path) -> None:
    """A certificate of another authority is refused."""
    stranger = Authority(tmp_path / "stranger")
    access = signed.access(fingerprint=None, ca=str(stranger.root), name=NAME)
    with pytest.raises(ApiError, match="not trusted by `ca` of the access file: "):
        ProxmoxClient(access, "pve").get("version")


def test_expired(tmp_path: Path) -> None:
    """A certificate that has expired is refused, and that is the reason given."""
    authority = Authority(tmp_path / "authority")
    expired = Server(tmp_path, authority.leaf(NAME, end=-HOUR))
    access = expired.access(fingerprint=None, ca=str(authority.root), name=NAME)
    try:
        with pytest.raises(ApiError, match="certificate has expired"):
            ProxmoxClient(access, "pve").get("version")
    finally:
        expired.stop()


def test_either(server: Server, signed: Server, authority: Authority) -> None:
    """With pin and authority both the pinned certificate and the authority's are accepted, and no third one."""
    both = {"ca": str(authority.root), "name": NAME}
    for one in (server, signed):
        made = ProxmoxClient(one.access(**both), "pve")
        assert made.get("version")["version"]
        assert made.get("version")["version"]
    before = len(server.pve.requests)
    wrong = "00" + server.fingerprint[2:]
    with pytest.raises(ApiError, match="the certificate is not the pinned one"):
        ProxmoxClient(server.access(fingerprint=wrong, **both), "pve").get("version")
    assert len(server.pve.requests) == before


def test_certificate_changes_meanwhile(server: Server, signed: Server, authority: Authority) -> None:
    """A session that trusts both goes on when the node presents the other one of them."""
    adapter = trusting(server.access(ca=str(authority.root), name=NAME))
    for one in (signed, server, signed):
        request = Request("GET", f"{one.pve.url}/api2/json/version").prepare()
        assert adapter.send(request, timeout=5, verify=False).status_code == 401
    adapter.close()


def test_request_is_not_sent_twice(authority: Authority, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a refused certificate is a reason to try the other way: a broken connection may have carried a request."""
    tried: list[object] = []

    def broken(self: HTTPAdapter, *_args: object, **_options: object) -> None:
        tried.append(self)
        raise SSLError("EOF occurred in violation of protocol")

    monkeypatch.setattr(HTTPAdapter, "send", broken)
    with pytest.raises(ApiError, match="closed at once"):
        ProxmoxClient(server.access(ca=str(authority.root)), "pve").post("nodes/phoenix/lxc", vmid=1)
    assert len(tried) == 1


def test_environment_does_not_loosen_the_pin(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a proxy nor a bundle of the environment comes between the client and its node."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
    assert ProxmoxClient(server.access(), "pve").get("version")


def test_wrong_token(server: Server) -> None:
    """A wrong token is told as what it is, without the token."""
    secret = "99999999-0000-0000-0000-000000000000"
    with pytest.raises(ApiError, match="401") as refused:
        ProxmoxClient(server.access(token_secret=secret), "pve").get("version")
    assert refused.value.status == 401
    assert secret not in str(refused.value)


def test_nobody_there(server: Server) -> None:
    """A closed port is told with name and address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ApiError, match=rf"pve \({url}\): the API cannot be asked: connection refused"):
        ProxmoxClient(server.access(url=url), "pve").get("version")


def test_silent_api(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that accepts and says nothing ends after the limit."""
    monkeypatch.setattr(proxmox, "REQUEST_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(ApiError, match="no answer within 1 s"):
            ProxmoxClient(server.access(url=url), "pve").get("version")


def test_refusal_names_the_parameter(client: ProxmoxClient) -> None:
    """What Proxmox says of a parameter is in the message, with method and path."""
    with pytest.raises(ApiError, match=r"POST /nodes/phoenix/lxc: 400 .*memory") as refused:
        client.post("nodes/phoenix/lxc", vmid=150, ostemplate="local:vztmpl/x.tar.zst", memory="much")
    assert refused.value.status == 400


def started(server: Server, vmid: int) -> str:
    """A stopped container, and the path of its start."""
    server.pve.add_ct(vmid, node="phoenix")
    return f"nodes/phoenix/lxc/{vmid}/status"


def test_task_that_ends_well(server: Server, client: ProxmoxClient) -> None:
    """A task is waited for."""
    path = started(server, 301)
    client.run("post", f"{path}/start")
    assert client.get(f"{path}/current")["status"] == "running"


def test_task_that_fails(server: Server, client: ProxmoxClient) -> None:
    """A task that fails raises with its own words; that its start was accepted says nothing."""
    path = started(server, 302)
    names = {entry["name"]: entry for entry in server.pve.errors_for("POST", f"/{path}/start") if entry.get("in_task")}
    server.pve.fail("POST", f"/{path}/start", error=min(names), times=1)
    with pytest.raises(ApiError, match=r"pve .*: vzstart of 302 failed: .+"):
        client.run("post", f"{path}/start")


@pytest.mark.parametrize(
    ("outcome", "good"),
    [("OK", True), ("WARNINGS: 1", True), ("command failed", False), ("", False), ("unexpected status", False)],
)
def test_outcomes(client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch, outcome: str, good: bool) -> None:  # noqa: FBT001
    """Warnings are success; anything else but OK is failure, an unknown end too."""
    monkeypatch.setattr(client, "get", lambda _path: {"status": "stopped", "exitstatus": outcome})
    upid = "UPID:phoenix:00000001:00000001:00000001:vzstart:303:root@pam:"
    if good:
        client.wait(upid)
    else:
        with pytest.raises(ApiError, match="vzstart of 303 failed"):
            client.wait(upid)


def test_task_that_does_not_end(client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that runs on is left after the limit, with its name, so that it is not started twice."""
    monkeypatch.setattr(client, "get", lambda _path: {"status": "running"})
    with pytest.raises(ApiError, match=r"UPID:phoenix:.* still runs after 0 s; look at it before trying again"):
        client.wait("UPID:phoenix:00000001:00000001:00000001:vzstart:303:root@pam:", limit=0.1)


@pytest.mark.parametrize("busy", ["can't lock file '/run/lock/x' - got timeout", "CT is locked (create)"])
def test_lock_is_waited_for(server: Server, client: ProxmoxClient, busy: str) -> None:
    """A lock that somebody else holds for a moment is waited for."""
    path = started(server, 304 + len(busy))
    server.pve.fail("POST", f"/{path}/start", 500, busy, times=1)
    client.run("post", f"{path}/start")
    assert client.get(f"{path}/current")["status"] == "running"


def test_lock_is_not_waited_for_endlessly(server: Server, client: ProxmoxClient) -> None:
    """A lock that is held for longer than the limit is told."""
    path = started(server, 350)
    server.pve.fail("POST", f"/{path}/start", 500, "CT is locked (backup)")
    begun = time.monotonic()
    with pytest.raises(ApiError, match="is locked"):
        client.run("post", f"{path}/start", limit=0.2)
    assert time.monotonic() - begun < 3


def test_many_threads(client: ProxmoxClient) -> None:
    """One client serves many threads at once."""
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(client.get("version")["version"])) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12


def test_close(client: ProxmoxClient) -> None:
    """A closed client holds no connection, and makes a new one when it is asked again."""
    assert client.get("version")
    assert client._idle.qsize() == 1
    client.close()
    assert client._idle.qsize() == 0
    assert client.get("version")
