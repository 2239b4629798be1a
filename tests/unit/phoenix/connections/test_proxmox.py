"""The API connection against a Proxmox API of its own: pins, tokens, tasks, locks."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests import Request
from requests.adapters import HTTPAdapter
from requests.exceptions import SSLError

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.connections import api_sessions, proxmox
from phoenix.connections import waits as waits_module
from phoenix.connections.locks import LOCK_PAUSE
from phoenix.connections.proxmox import ApiError, ApiTimeoutError, ProxmoxClient
from phoenix.connections.tls_adapters import tls_adapter
from phoenix.connections.waits import Waits, acting_for
from tests.support.chains import HOUR, Authority
from tests.support.pve_schema_server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one API for all tests."""
    server = Server(tmp_path_factory.mktemp("api"))
    yield server
    server.stop()


@pytest.fixture
def client(server: Server) -> Iterator[ProxmoxClient]:
    """Create a client with a valid pin and token."""
    client = ProxmoxClient(server.access(), "pve")
    yield client
    client.close()


def test_read(client: ProxmoxClient) -> None:
    """With a valid pin and token, the API answers."""
    assert client.get("version")["version"]


def test_wrong_fingerprint(server: Server) -> None:
    """A certificate other than the pinned one is rejected before any request, and thus the token, is sent."""
    before = len(server.pve.requests)
    wrong = "00" + server.fingerprint[2:]
    with pytest.raises(
        ApiError, match=r"pve \(https://127.0.0.1:\d+\): .*the certificate is not the pinned one"
    ) as rejected:
        ProxmoxClient(server.access(fingerprint=wrong), "pve").get("version")
    assert server.fingerprint in str(rejected.value)
    assert wrong in str(rejected.value)
    assert rejected.value.status == 0
    assert len(server.pve.requests) == before


NAME = "node.lab.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Create one CA for all tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Server]:
    """Run an API with a certificate of the CA, for a name that is not the host of its URL."""
    server = Server(tmp_path_factory.mktemp("signed"), authority.leaf(NAME))
    yield server
    server.stop()


def test_authority(signed: Server, authority: Authority) -> None:
    """A certificate of the CA is accepted for the configured name."""
    access = signed.access(fingerprint=None, ca=str(authority.root), name=NAME)
    assert ProxmoxClient(access, "pve").get("version")["version"]


@pytest.mark.parametrize("name", ["other.lab.test", None])
def test_wrong_name(signed: Server, authority: Authority, name: str | None) -> None:
    """A certificate for another name, including the host of the URL, is rejected before any request is sent."""
    before = len(signed.pve.requests)
    access = signed.access(fingerprint=None, ca=str(authority.root), name=name)
    says = f"not trusted by `ca` of the access file: .*mismatch, certificate is not valid for '{access.server}'"
    with pytest.raises(ApiError, match=says):
        ProxmoxClient(access, "pve").get("version")
    assert len(signed.pve.requests) == before


def test_other_authority(signed: Server, tmp_path: Path) -> None:
    """A certificate of another CA is rejected."""
    other = Authority(tmp_path / "other")
    access = signed.access(fingerprint=None, ca=str(other.root), name=NAME)
    with pytest.raises(ApiError, match="not trusted by `ca` of the access file: "):
        ProxmoxClient(access, "pve").get("version")


def test_expired(tmp_path: Path) -> None:
    """An expired certificate is rejected, and the message states that reason."""
    authority = Authority(tmp_path / "authority")
    expired = Server(tmp_path, authority.leaf(NAME, end=-HOUR))
    access = expired.access(fingerprint=None, ca=str(authority.root), name=NAME)
    try:
        with pytest.raises(ApiError, match="certificate has expired"):
            ProxmoxClient(access, "pve").get("version")
    finally:
        expired.stop()


def test_either(server: Server, signed: Server, authority: Authority) -> None:
    """With pin and CA, exactly the pinned certificate and certificates of the CA are accepted."""
    both = {"ca": str(authority.root), "name": NAME}
    for one in (server, signed):
        client = ProxmoxClient(one.access(**both), "pve")
        assert client.get("version")["version"]
        assert client.get("version")["version"]
    before = len(server.pve.requests)
    wrong = "00" + server.fingerprint[2:]
    with pytest.raises(ApiError, match="the certificate is not the pinned one"):
        ProxmoxClient(server.access(fingerprint=wrong, **both), "pve").get("version")
    assert len(server.pve.requests) == before


def test_certificate_changes_meanwhile(server: Server, signed: Server, authority: Authority) -> None:
    """A session that trusts both certificates continues when the node presents the other one."""
    adapter = tls_adapter(server.access(ca=str(authority.root), name=NAME))
    for one in (signed, server, signed):
        request = Request("GET", f"{one.pve.url}/api2/json/version").prepare()
        assert adapter.send(request, timeout=5, verify=False).status_code == 401
    adapter.close()


def test_request_is_not_sent_twice(authority: Authority, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a rejected certificate leads to a second attempt: a lost connection may have transmitted the request."""
    tried: list[object] = []

    def broken(self: HTTPAdapter, *_args: object, **_options: object) -> None:
        tried.append(self)
        raise SSLError("EOF occurred in violation of protocol")

    monkeypatch.setattr(HTTPAdapter, "send", broken)
    with pytest.raises(ApiError, match="closed at once"):
        ProxmoxClient(server.access(ca=str(authority.root)), "pve").post("nodes/phoenix/lxc", vmid=1)
    assert len(tried) == 1


def test_environment_does_not_loosen_the_pin(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client ignores the proxy and the CA bundle of the environment."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
    assert ProxmoxClient(server.access(), "pve").get("version")


def test_wrong_token(server: Server) -> None:
    """A wrong token is reported with status 401 and without the token."""
    secret = "99999999-0000-0000-0000-000000000000"
    with pytest.raises(
        ApiError, match=r"401: the token phoenix@pve!deploy was refused\. .*disabled.*expired"
    ) as rejected:
        ProxmoxClient(server.access(token_secret=secret), "pve").get("version")
    assert rejected.value.status == 401
    assert secret not in str(rejected.value)


def test_closed_port(server: Server) -> None:
    """A closed port is reported with the name and the address of the node."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ApiError, match=rf"pve \({url}\): the API is not reachable: connection refused"):
        ProxmoxClient(server.access(url=url), "pve").get("version")


def test_silent_api(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that accepts the connection but sends no data is an error after the time limit."""
    monkeypatch.setattr(api_sessions, "REQUEST_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(ApiError, match="no answer within 1 s"):
            ProxmoxClient(server.access(url=url), "pve").get("version")


def test_refusal_names_the_parameter(client: ProxmoxClient) -> None:
    """Proxmox's message about a parameter is part of the error, with method and path."""
    with pytest.raises(ApiError, match=r"POST /nodes/phoenix/lxc: 400 .*memory") as rejected:
        client.post("nodes/phoenix/lxc", vmid=150, ostemplate="local:vztmpl/x.tar.zst", memory="much")
    assert rejected.value.status == 400


def add_container(server: Server, vmid: int) -> str:
    """Add a stopped container, and return the path of its status."""
    server.pve.add_ct(vmid, node="phoenix")
    return f"nodes/phoenix/lxc/{vmid}/status"


def test_successful_task(server: Server, client: ProxmoxClient) -> None:
    """The client waits for the end of a task."""
    path = add_container(server, 301)
    client.run("post", f"{path}/start")
    assert client.get(f"{path}/current")["status"] == "running"


def test_task_that_fails(server: Server, client: ProxmoxClient) -> None:
    """A task that fails raises an error with its message, although its start was accepted."""
    path = add_container(server, 302)
    names = {entry["name"]: entry for entry in server.pve.errors_for("POST", f"/{path}/start") if entry.get("in_task")}
    server.pve.fail("POST", f"/{path}/start", error=min(names), times=1)
    with pytest.raises(ApiError, match=r"pve .*: vzstart of 302 failed: .+"):
        client.run("post", f"{path}/start")


@pytest.mark.parametrize(
    ("outcome", "good"),
    [("OK", True), ("WARNINGS: 1", True), ("command failed", False), ("", False), ("unexpected status", False)],
)
def test_outcomes(client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch, outcome: str, good: bool) -> None:  # noqa: FBT001
    """A task is successful with OK or with warnings; any other or unknown exit status is a failure."""
    monkeypatch.setattr(client, "get", lambda _path: {"status": "stopped", "exitstatus": outcome})
    upid = "UPID:phoenix:00000001:00000001:00000001:vzstart:303:root@pam:"
    if good:
        client.wait(upid)
    else:
        with pytest.raises(ApiError, match="vzstart of 303 failed"):
            client.wait(upid)


def test_task_that_does_not_end(client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that exceeds the limit is named in the error, so that the operator does not start it twice."""
    monkeypatch.setattr(client, "get", lambda _path: {"status": "running"})
    with pytest.raises(ApiError, match=r"UPID:phoenix:.* still runs after 0 s; check it before you try again"):
        client.wait("UPID:phoenix:00000001:00000001:00000001:vzstart:303:root@pam:", limit=0.1)


@pytest.mark.parametrize("busy", ["can't lock file '/run/lock/x' - got timeout", "CT is locked (create)"])
def test_lock_is_waited_for(server: Server, client: ProxmoxClient, busy: str) -> None:
    """The client waits for a lock that another task holds for a short time."""
    path = add_container(server, 304 + len(busy))
    server.pve.fail("POST", f"/{path}/start", 500, busy, times=1)
    client.run("post", f"{path}/start")
    assert client.get(f"{path}/current")["status"] == "running"


def test_lock_is_not_waited_for_endlessly(
    server: Server, client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is held for longer than the limit is an error."""
    path = add_container(server, 350)
    server.pve.fail("POST", f"/{path}/start", 500, "CT is locked (backup)")
    start = time.monotonic()
    monkeypatch.setattr(proxmox, "LOCK_SECONDS", 0.2)
    with pytest.raises(ApiError, match="is locked"):
        client.run("post", f"{path}/start")
    assert time.monotonic() - start < 3


def test_limit_begins_with_the_task(server: Server, client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for a lock does not count against the limit of the task, and names lock and guest."""
    path = add_container(server, 351)
    server.pve.fail("POST", f"/{path}/start", 500, "CT is locked (disk)", times=1)
    client.run("post", f"{path}/start", limit=LOCK_PAUSE / 2)
    server.pve.fail("POST", f"/{path}/stop", 500, "CT is locked (backup)")
    monkeypatch.setattr(proxmox, "LOCK_SECONDS", 0.1)
    with pytest.raises(ApiError, match=r"CT is locked \(backup\); it was not released within 0 s: .*CT 351"):
        client.run("post", f"{path}/stop")


def test_expired_wait_is_no_lock(server: Server, client: ProxmoxClient) -> None:
    """A timeout that is not about a lock is an error at once, and the change is not repeated."""
    path = add_container(server, 352)
    server.pve.fail("POST", f"/{path}/start", 500, "VM quit/powerdown failed - got timeout")
    before = len(server.pve.requests)
    with pytest.raises(ApiError, match="got timeout"):
        client.run("post", f"{path}/start")
    assert len(server.pve.requests) == before + 1


def test_waits_are_announced(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait for a lock is announced with what is waited for, and with the host that waits."""
    monkeypatch.setattr(waits_module, "ANNOUNCE_SECONDS", 0.05)
    waits, lines = Waits(), []
    waits.announce = lambda host, text: lines.append((host, text))
    client = ProxmoxClient(server.access(), "pve", waits)
    path = add_container(server, 353)
    server.pve.fail("POST", f"/{path}/start", 500, "CT is locked (disk)", times=1)
    with acting_for("wiki"):
        client.run("post", f"{path}/start")
    client.close()
    assert ("wiki", "waits for the lock (disk) of CT 353: 0 s of 600 s") in lines


def test_idle_session_is_renewed(client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that was idle for longer than the limit opens a new connection; a younger one keeps its own."""
    closed: list[object] = []
    original = requests.Session.close

    def close(self: requests.Session) -> None:
        closed.append(self)
        original(self)

    monkeypatch.setattr(requests.Session, "close", close)
    client.get("version")
    client.get("version")
    assert not closed
    monkeypatch.setattr(api_sessions, "IDLE_SECONDS", 0.0)
    assert client.get("version")
    assert len(closed) == 1


@pytest.mark.parametrize(("method", "attempts"), [("get", 2), ("post", 1), ("put", 1), ("delete", 1)])
def test_closed_connection(client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch, method: str, attempts: int) -> None:
    """On a connection that the server closed, a read is repeated once; a write never is."""
    tried: list[object] = []

    def closed(self: HTTPAdapter, *_args: object, **_options: object) -> None:
        tried.append(self)
        raise requests.ConnectionError("('Connection aborted.', RemoteDisconnected('closed without response'))")

    monkeypatch.setattr(HTTPAdapter, "send", closed)
    with pytest.raises(ApiError, match="closed at once"):
        getattr(client, method)("version")
    assert len(tried) == attempts


def test_read_survives_a_closed_connection(client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read whose first connection was closed is answered on the second."""
    original, failures = HTTPAdapter.send, iter([requests.ConnectionError("Connection aborted")])

    def send(self: HTTPAdapter, *args: Any, **options: Any) -> Any:
        if failure := next(failures, None):
            raise failure
        return original(self, *args, **options)

    monkeypatch.setattr(HTTPAdapter, "send", send)
    assert client.get("version")["version"]


def test_slow_write(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a write without an answer in time, the error says that its outcome is not known."""
    monkeypatch.setattr(api_sessions, "REQUEST_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(ApiTimeoutError, match=r"no answer within 1 s; .*PUT /x was carried out is not known"):
            ProxmoxClient(server.access(url=url), "pve").put("x")


def test_slow_status_does_not_end_the_wait(client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task is waited for until its own limit, although a loaded node does not answer a question about it in time."""
    answers = iter([ApiTimeoutError("slow"), {"status": "stopped", "exitstatus": "OK"}])

    def get(_path: str) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(client, "get", get)
    client.wait("UPID:phoenix:00000001:00000001:00000001:vzstart:303:root@pam:")


def test_many_threads(client: ProxmoxClient) -> None:
    """One client serves many threads at the same time."""
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(client.get("version")["version"])) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12


def test_close(client: ProxmoxClient) -> None:
    """A closed client has no connection, and opens a new one for the next request."""
    assert client.get("version")
    assert client._sessions._idle.qsize() == 1
    client.close()
    assert client._sessions._idle.qsize() == 0
    assert client.get("version")
