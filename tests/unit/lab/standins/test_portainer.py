"""The stand-ins for Portainer and its agent implement what the estate relies on."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest

from phoenix.lab.standins import web
from phoenix.lab.standins.agent import PortainerAgent
from phoenix.lab.standins.portainer import Portainer
from phoenix.lab.standins.portainer_store import PortainerStore

pytestmark = pytest.mark.timeout(60)
PASSWORD = "twelve letters"


@dataclass
class Client:
    """A client of Portainer's API."""

    port: int
    token: str = ""

    def request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        """Return a response's status and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        headers = {"Content-Type": kind, "Authorization": f"Bearer {self.token}"}
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, json.loads(answer) if answer[:1] in b"{[" and answer else answer

    def sign_in(self) -> None:
        """Create the administrator if there is none, and sign in."""
        credentials = {"username": "admin", "password": PASSWORD}
        self.request("POST", "/api/users/admin/init", credentials)
        self.token = self.request("POST", "/api/auth", credentials)[1]["jwt"]


def multipart(**fields: str) -> tuple[bytes, str]:
    """Return a form as curl -F sends it, and its content type."""
    part = '--edge\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "".join(part.format(name, value) for name, value in fields.items()) + "--edge--\r\n"
    return body.encode(), "multipart/form-data; boundary=edge"


@pytest.fixture(autouse=True)
def ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make servers poll for shutdown every 0.02 s."""
    monkeypatch.setattr(web.StandInServer, "serve_forever", partialmethod(web.StandInServer.serve_forever, 0.02))


@pytest.fixture
def portainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Serve a Portainer without an administrator."""
    monkeypatch.setattr(Portainer, "store", PortainerStore(tmp_path / "data"), raising=False)
    server = web.start(0, Portainer)
    yield Client(server.server_port)
    server.shutdown()
    server.server_close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """Serve an agent; return its port and its certificate."""
    files = web.self_signed(tmp_path / "agent", "127.0.0.1")
    server = web.start(0, PortainerAgent, files)
    yield server.server_port, files[0].read_text()
    server.shutdown()
    server.server_close()


def environment(port: int, **fields: str) -> tuple[bytes, str]:
    """Return the form that creates an environment for the agent."""
    return multipart(Name="drphoenix", URL=f"tcp://127.0.0.1:{port}", EndpointCreationType="2", **fields)


def test_administrator(portainer: Client) -> None:
    """The administrator is created once; a wrong password is refused, and so is a new password that is too short."""
    short = {"username": "admin", "password": "short"}
    assert portainer.request("GET", "/api/users/admin/check")[0] == 404
    assert portainer.request("POST", "/api/users/admin/init", short)[0] == 400
    portainer.sign_in()
    assert portainer.request("GET", "/api/users/admin/check")[0] == 204
    assert portainer.request("POST", "/api/users/admin/init", short)[0] == 409
    assert portainer.request("POST", "/api/auth", short)[0] == 422


@pytest.mark.parametrize("token", ["", "a.b.c", "nonsense"])
def test_session_is_needed(portainer: Client, token: str) -> None:
    """Without a valid session token, the environments are refused; the status is not."""
    portainer.token = token
    assert portainer.request("GET", "/api/endpoints")[0] == 401
    assert portainer.request("GET", "/api/status")[1]["Version"]


def test_environment_without_verification(portainer: Client, agent: tuple[int, str]) -> None:
    """An environment that skips verification can be created, queried for Docker, renamed and deleted."""
    portainer.sign_in()
    status, created = portainer.request(
        "POST", "/api/endpoints", *environment(agent[0], TLS="true", TLSSkipVerify="true")
    )
    assert (status, created["Name"], created["TLSConfig"]["TLSSkipVerify"]) == (200, "drphoenix", True)
    path = f"/api/endpoints/{created['Id']}"
    assert portainer.request("GET", f"{path}/docker/info")[0] == 200
    assert portainer.request("PUT", path, {"Name": "other"})[1]["Name"] == "other"
    assert portainer.request("DELETE", path)[0] == 204
    assert portainer.request("GET", "/api/endpoints")[1] == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"TLS": "true"}, "self-signed certificate"),
        ({"TLS": "true", "TLSCACertFile": "agent"}, "IP address mismatch"),
    ],
)
def test_agent_is_verified(portainer: Client, agent: tuple[int, str], fields: dict[str, str], why: str) -> None:
    """An agent with another CA or another name is refused, and no environment is left."""
    portainer.sign_in()
    form = {key: agent[1] if value == "agent" else value for key, value in fields.items()}
    status, answer = portainer.request("POST", "/api/endpoints", *environment(agent[0], **form))
    assert (status, why in answer["details"]) == (500, True), answer
    assert portainer.request("GET", "/api/endpoints")[1] == []


def test_dead_agent(portainer: Client) -> None:
    """For an agent that does not answer, the error contains its address."""
    portainer.sign_in()
    status, answer = portainer.request("POST", "/api/endpoints", *environment(1, TLS="false"))
    assert (status, "127.0.0.1:1" in answer["details"]) == (500, True)


def test_state_survives_a_restart(tmp_path: Path) -> None:
    """Administrator, sessions and TLS files survive a restart, and all files are private."""
    first = PortainerStore(tmp_path)
    first.set_admin("admin", PASSWORD)
    number = first.create({"Name": "a", "URL": "tcp://a:9001", "TLSKeyFile": "a key"})["Id"]
    again = PortainerStore(tmp_path)
    assert again.check_admin("admin", PASSWORD)
    assert again.session(first.new_session("admin"))
    assert again.files(number)["key"].read_text() == "a key"
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*") if path.is_file())


def test_concurrent_creations(tmp_path: Path) -> None:
    """Environments that are created concurrently get different numbers."""
    store = PortainerStore(tmp_path)
    threads = [threading.Thread(target=store.create, args=({"Name": str(i), "URL": "x"},)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(environment["Id"] for environment in store.environments()) == list(range(1, 9))
