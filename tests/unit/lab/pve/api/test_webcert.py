"""The lab's API presents a custom certificate to new connections, and its own again when that is removed."""

import http.client
import ssl
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.lab.pve.api.webcert import WebCertificateEndpoints
from tests.support.chains import Authority
from tests.unit.lab.pve.api import test_server
from tests.unit.lab.pve.api.test_server import Client

pytestmark = pytest.mark.timeout(60)
CUSTOM = "/nodes/phoenix/certificates/custom"
client = test_server.client


@pytest.fixture(autouse=True)
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The node's directory of certificates."""
    monkeypatch.setattr(WebCertificateEndpoints, "local", tmp_path / "local")
    return tmp_path / "local"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs."""
    return Authority(tmp_path / "authority")


def pair(authority: Authority, name: str) -> dict[str, str]:
    """The fields of an upload."""
    chain, key = (Path(file).read_text() for file in authority.leaf(name))
    return {"certificates": chain, "key": key}


def presented(client: Client) -> str:
    """The fingerprint of what a new connection is shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", client.pve.port), timeout=10)
    return sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def said(answer: Any) -> str:
    """The fingerprint in an answer, as the other function gives it."""
    return str(answer["fingerprint"]).replace(":", "").lower()


def test_set_and_delete(client: Client, authority: Authority, local: Path) -> None:
    """A certificate is presented once the server is told; a connection that was open before goes on."""
    own = presented(client)
    context = ssl._create_unverified_context()
    before = http.client.HTTPSConnection("127.0.0.1", client.pve.port, context=context, timeout=10)
    before.connect()
    quiet = client.call("POST", CUSTOM, **pair(authority, "node.lab.test"))
    assert presented(client) == own
    loud = client.call("POST", CUSTOM, **pair(authority, "node.lab.test"), force=1, restart=1)
    assert presented(client) == said(loud) != said(quiet)
    assert client.call("GET", "/nodes")[0]["ssl_fingerprint"] == loud["fingerprint"]
    assert [said(one) for one in client.call("GET", "/nodes/phoenix/certificates/info")] == [own, said(loud)]
    before.request("GET", "/api2/json/version")
    assert before.getresponse().status == 401
    before.close()
    client.call("DELETE", f"{CUSTOM}?restart=1")
    assert presented(client) == own
    assert list(local.iterdir()) == []


def test_chain_is_presented_for_its_name(client: Client, authority: Authority) -> None:
    """Who trusts the root alone can verify what is presented, by the name that it is for."""
    client.call("POST", CUSTOM, **pair(authority, "localhost"), restart=1)
    context = ssl.create_default_context(cafile=str(authority.root))
    connection = http.client.HTTPSConnection("localhost", client.pve.port, context=context, timeout=10)
    connection.request("GET", "/api2/json/version")
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize("wrong", ["key of another", "no key", "exists"])
def test_refused(client: Client, authority: Authority, local: Path, wrong: str) -> None:
    """What cannot be presented is refused, and everything stays as it was."""
    own, good = presented(client), pair(authority, "node.lab.test")
    if wrong == "exists":
        client.call("POST", CUSTOM, **good)
    before = sorted(local.glob("*"))
    other = {
        "key of another": {**good, "key": pair(authority, "other.lab.test")["key"]},
        "no key": {"certificates": good["certificates"]},
        "exists": good,
    }[wrong]
    assert client.call("POST", CUSTOM, **other, restart=1)[0] == 400
    assert (presented(client), sorted(local.glob("*"))) == (own, before)


def test_survives_a_restart(client: Client, authority: Authority, tmp_path: Path) -> None:
    """A server that starts anew presents the custom certificate."""
    client.call("POST", CUSTOM, **pair(authority, "node.lab.test"))
    again = test_server.make(tmp_path)
    again.own = (str(tmp_path / "api.crt"), str(tmp_path / "api.key"))
    again.present()
    assert again.fingerprint != client.pve.fingerprint
