"""The lab's API presents a custom certificate to new connections, and its own after that is removed."""

import http.client
import ssl
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from phoenix.lab.pve.api.webcert import WebCertificateEndpoints
from tests.support.chains import Authority
from tests.support.lab_pve import Client, make
from tests.unit.lab.pve.api import test_server

pytestmark = pytest.mark.timeout(60)
CUSTOM = "/nodes/phoenix/certificates/custom"
client = test_server.client


@pytest.fixture(autouse=True)
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a temporary directory for the node's certificates."""
    monkeypatch.setattr(WebCertificateEndpoints, "local", tmp_path / "local")
    return tmp_path / "local"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return a CA."""
    return Authority(tmp_path / "authority")


def pair(authority: Authority, name: str) -> dict[str, str]:
    """Return the fields of a certificate upload."""
    chain, key = (Path(file).read_text() for file in authority.leaf(name))
    return {"certificates": chain, "key": key}


def presented(client: Client) -> str:
    """Return the fingerprint of the certificate that a new connection gets."""
    pem = ssl.get_server_certificate(("127.0.0.1", client.pve.port), timeout=10)
    return sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def fingerprint(answer: Any) -> str:
    """Return the fingerprint in an API response, in the format of `presented`."""
    return str(answer["fingerprint"]).replace(":", "").lower()


def test_set_and_delete(client: Client, authority: Authority, local: Path) -> None:
    """A new certificate is presented after a restart request; an open connection continues."""
    own = presented(client)
    context = ssl._create_unverified_context()
    before = http.client.HTTPSConnection("127.0.0.1", client.pve.port, context=context, timeout=10)
    before.connect()
    saved = client.call("POST", CUSTOM, **pair(authority, "node.lab.test"))
    assert presented(client) == own
    restarted = client.call("POST", CUSTOM, **pair(authority, "node.lab.test"), force=1, restart=1)
    assert presented(client) == fingerprint(restarted) != fingerprint(saved)
    assert client.call("GET", "/nodes")[0]["ssl_fingerprint"] == restarted["fingerprint"]
    assert [fingerprint(one) for one in client.call("GET", "/nodes/phoenix/certificates/info")] == [
        own,
        fingerprint(restarted),
    ]
    before.request("GET", "/api2/json/version")
    assert before.getresponse().status == 401
    before.close()
    client.call("DELETE", f"{CUSTOM}?restart=1")
    assert presented(client) == own
    assert list(local.iterdir()) == []


def test_chain_is_presented_for_its_name(client: Client, authority: Authority) -> None:
    """A client that trusts only the root can verify the presented chain and name."""
    client.call("POST", CUSTOM, **pair(authority, "localhost"), restart=1)
    context = ssl.create_default_context(cafile=str(authority.root))
    connection = http.client.HTTPSConnection("localhost", client.pve.port, context=context, timeout=10)
    connection.request("GET", "/api2/json/version")
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize("wrong", ["key of another", "no key", "exists"])
def test_refused(client: Client, authority: Authority, local: Path, wrong: str) -> None:
    """An unusable or unwanted upload is refused, and certificate and files are unchanged."""
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
    """A restarted server presents the custom certificate."""
    client.call("POST", CUSTOM, **pair(authority, "node.lab.test"))
    again = make(tmp_path)
    again.own = (str(tmp_path / "api.crt"), str(tmp_path / "api.key"))
    again.present()
    assert again.fingerprint != client.pve.fingerprint
