"""The stand-ins for Portainer and its agent, as far as the estate relies on them."""

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

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        """An answer's status and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        headers = {"Content-Type": kind, "Authorization": f"Bearer {self.token}"}
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, json.loads(answer) if answer[:1] in b"{[" and answer else answer

    def sign_in(self) -> None:
        """Make the administrator if there is none, and sign in."""
        who = {"username": "admin", "password": PASSWORD}
        self.ask("POST", "/api/users/admin/init", who)
        self.token = self.ask("POST", "/api/auth", who)[1]["jwt"]


def multipart(**fields: str) -> tuple[bytes, str]:
    """A form as curl -F sends it, and its content type."""
    part = '--edge\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "".join(part.format(name, value) for name, value in fields.items()) + "--edge--\r\n"
    return body.encode(), "multipart/form-data; boundary=edge"


@pytest.fixture(autouse=True)
def ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server looks for its end often."""
    monkeypatch.setattr(web.StandInServer, "serve_forever", partialmethod(web.StandInServer.serve_forever, 0.02))


@pytest.fixture
def portainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A Portainer that has no administrator yet."""
    monkeypatch.setattr(Portainer, "store", PortainerStore(tmp_path / "data"), raising=False)
    server = web.start(0, Portainer)
    yield Client(server.server_port)
    server.shutdown()
    server.server_close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """An agent: its port, and the certificate that vouches for it."""
    files = web.self_signed(tmp_path / "agent", "127.0.0.1")
    server = web.start(0, PortainerAgent, files)
    yield server.server_port, files[0].read_text()
    server.shutdown()
    server.server_close()


def environment(port: int, **fields: str) -> tuple[bytes, str]:
    """The form that creates an environment at the agent."""
    return multipart(Name="drphoenix", URL=f"tcp://127.0.0.1:{port}", EndpointCreationType="2", **fields)


def test_administrator(portainer: Client) -> None:
    """The administrator is made once; a wrong password is refused, a short one before that."""
    short = {"username": "admin", "password": "short"}
    assert portainer.ask("GET", "/api/users/admin/check")[0] == 404
    assert portainer.ask("POST", "/api/users/admin/init", short)[0] == 400
    portainer.sign_in()
    assert portainer.ask("GET", "/api/users/admin/check")[0] == 204
    assert portainer.ask("POST", "/api/users/admin/init", short)[0] == 409
    assert portainer.ask("POST", "/api/auth", short)[0] == 422


@pytest.mark.parametrize("token", ["", "a.b.c", "nonsense"])
def test_session_is_needed(portainer: Client, token: str) -> None:
    """Without a session's token the environments are not shown; the status is."""
    portainer.token = token
    assert portainer.ask("GET", "/api/endpoints")[0] == 401
    assert portainer.ask("GET", "/api/status")[1]["Version"]


def test_environment_without_verification(portainer: Client, agent: tuple[int, str]) -> None:
    """An environment that skips verification is created, asked about Docker, renamed and deleted."""
    portainer.sign_in()
    status, made = portainer.ask("POST", "/api/endpoints", *environment(agent[0], TLS="true", TLSSkipVerify="true"))
    assert (status, made["Name"], made["TLSConfig"]["TLSSkipVerify"]) == (200, "drphoenix", True)
    place = f"/api/endpoints/{made['Id']}"
    assert portainer.ask("GET", f"{place}/docker/info")[0] == 200
    assert portainer.ask("PUT", place, {"Name": "other"})[1]["Name"] == "other"
    assert portainer.ask("DELETE", place)[0] == 204
    assert portainer.ask("GET", "/api/endpoints")[1] == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"TLS": "true"}, "self-signed certificate"),
        ({"TLS": "true", "TLSCACertFile": "agent"}, "IP address mismatch"),
    ],
)
def test_agent_is_verified(portainer: Client, agent: tuple[int, str], fields: dict[str, str], why: str) -> None:
    """An agent of another authority, or of another name, is refused, and no environment is left."""
    portainer.sign_in()
    given = {key: agent[1] if value == "agent" else value for key, value in fields.items()}
    status, answer = portainer.ask("POST", "/api/endpoints", *environment(agent[0], **given))
    assert (status, why in answer["details"]) == (500, True), answer
    assert portainer.ask("GET", "/api/endpoints")[1] == []


def test_dead_agent(portainer: Client) -> None:
    """An agent that does not answer is an error with its address in it."""
    portainer.sign_in()
    status, answer = portainer.ask("POST", "/api/endpoints", *environment(1, TLS="false"))
    assert (status, "127.0.0.1:1" in answer["details"]) == (500, True)


def test_memory(tmp_path: Path) -> None:
    """What it knows survives a restart, and its files are private."""
    first = PortainerStore(tmp_path)
    first.set_admin("admin", PASSWORD)
    number = first.create({"Name": "a", "URL": "tcp://a:9001", "TLSKeyFile": "a key"})["Id"]
    again = PortainerStore(tmp_path)
    assert again.check_admin("admin", PASSWORD)
    assert again.session(first.new_session("admin"))
    assert again.files(number)["key"].read_text() == "a key"
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*") if path.is_file())


def test_threads_share_the_memory(tmp_path: Path) -> None:
    """Environments that are created at the same time get numbers of their own."""
    store = PortainerStore(tmp_path)
    threads = [threading.Thread(target=store.create, args=({"Name": str(i), "URL": "x"},)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found["Id"] for found in store.environments()) == list(range(1, 9))
