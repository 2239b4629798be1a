"""What is done to the mesh's certificates: the changes for each state, and the shell that edits the storage."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from phoenix.converge import Observation
from phoenix.estate import Service
from phoenix.pki.bundle import Bundle, SeenAuthority
from phoenix.tasks.routing import mesh_certificates
from phoenix.tasks.routing.mesh_certificates import MeshCertificates
from phoenix.templating import shell_program
from tests.support.estates import estate, guest
from tests.unit.phoenix.pki.certificates import NOW, certificate

DAY = timedelta(days=1)
ROOT = certificate("root", "root", end=3650 * DAY)
SIGNS = certificate("signs", "root", end=1825 * DAY)
OLD = certificate("old", "root", end=1825 * DAY)


@pytest.fixture
def mesh(monkeypatch: pytest.MonkeyPatch) -> Callable[..., MeshCertificates]:
    """The mesh of an estate with the routes a and b, at the time of the test's certificates."""
    monkeypatch.setattr(mesh_certificates, "utc_now", lambda: NOW)
    services = {name: Service(port=port, expose=True) for port, name in enumerate("ab", 8000)}
    made = estate(guest("app", 20, "lxc", services=services))
    authority = SeenAuthority(Bundle((ROOT,)), SIGNS)
    return lambda *replaced: MeshCertificates(made, authority, replaced)


def entry(name: str, issuer: str = "signs") -> dict[str, Any]:
    """A certificate as Traefik keeps it."""
    above = {"signs": SIGNS, "old": OLD}.get(issuer, "")
    chain = certificate(name, issuer, names=(name,), begin=-5 * DAY, end=25 * DAY) + above
    return {
        "domain": {"main": name},
        "certificate": b64encode(chain.encode()).decode(),
        "key": "c2VjcmV0",
        "Store": "default",
    }


def storage(*entries: dict[str, Any]) -> str:
    """The storage as Traefik writes it."""
    account = {"Email": "a@b", "Registration": {"body": {"status": "valid"}, "uri": "u"}, "PrivateKey": "x"}
    return json.dumps({"authority": {"Account": account, "Certificates": list(entries)}}, indent=2)


@pytest.mark.parametrize(
    ("entries", "changes"),
    [
        ([entry("a.lab.test"), entry("b.lab.test")], []),
        ([entry("a.lab.test")], ["issue certificates of the mesh: b.lab.test"]),
        (
            [entry("a.lab.test", "old"), entry("b.lab.test")],
            ["renew certificates of the mesh: a.lab.test: it was signed by a retired intermediate"],
        ),
        (
            [entry("a.lab.test"), entry("b.lab.test"), entry("c.lab.test")],
            ["remove certificates of the mesh: c.lab.test: no route has this name"],
        ),
        (
            [entry("a.lab.test", "stranger"), entry("b.lab.test", "stranger")],
            [
                "remove certificates of the mesh: a.lab.test, b.lab.test: its chain leads to no root of the CA",
                "issue certificates of the mesh: a.lab.test, b.lab.test",
            ],
        ),
    ],
)
def test_changes(mesh: Callable[..., MeshCertificates], entries: list[dict[str, Any]], changes: list[str]) -> None:
    """Each state of the storage asks for exactly these changes."""
    seen = Observation(outputs={"mesh certificates": storage(*entries)})
    assert [str(change) for change in mesh().changes(seen)] == changes


def test_replaced(mesh: Callable[..., MeshCertificates]) -> None:
    """A name to be replaced is forgotten and asked for again, though its certificate is good."""
    seen = Observation(outputs={"mesh certificates": storage(entry("a.lab.test"), entry("b.lab.test"))})
    assert [change.verb for change in mesh("a.lab.test").changes(seen)] == ["remove", "issue"]


def test_torn_storage(mesh: Callable[..., MeshCertificates]) -> None:
    """A storage of which only a part was written is begun anew."""
    seen = Observation(outputs={"mesh certificates": '"main": "a.lab.test"\ntorn\n'})
    first, second = mesh().changes(seen)
    assert first.reason == "/etc/traefik/acme.json is truncated"
    assert second.reason == "a.lab.test, b.lab.test"


def test_no_change_shows_a_key(mesh: Callable[..., MeshCertificates]) -> None:
    """The question leaves the keys where they are."""
    (command, *_) = [probe.command for probe in mesh().probes() if probe.kind == "command"]
    text = storage(entry("a.lab.test"))
    assert "c2VjcmV0" in text
    asked = subprocess.run(
        ["sh", "-c", command.replace("/etc/traefik/acme.json", "/dev/stdin")],
        input=text, capture_output=True, text=True, check=False, timeout=10,
    )  # fmt: skip
    assert "a.lab.test" in asked.stdout
    assert "c2VjcmV0" not in asked.stdout


@pytest.mark.parametrize(
    ("arguments", "names", "account"),
    [
        ("a.lab.test", ["b.lab.test", "c.lab.test"], "kept"),
        ("c.lab.test", ["a.lab.test", "b.lab.test"], "kept"),
        ("'a.lab.test b.lab.test c.lab.test' account", [], "forgotten"),
        ("'' account", ["a.lab.test", "b.lab.test", "c.lab.test"], "forgotten"),
    ],
)
def test_forget(tmp_path: Path, arguments: str, names: list[str], account: str) -> None:
    """The storage stays sound JSON, without the names and the account, and with everything else as it was."""
    file = tmp_path / "acme.json"
    entries = [entry(f"{name}.lab.test") for name in "abc"]
    file.write_text(storage(*entries))
    stubs = 'systemctl() { :; }\nstart_unit() { :; }\nfail() { echo "$1"; return 1; }\n'
    functions = shell_program(
        "traefik/certificates.sh", work=str(tmp_path), storage=str(file), config="/none", unit="traefik.service",
        spare=0, issuer="",
    )  # fmt: skip
    script = f"{stubs}{functions}\nforget {arguments}"
    subprocess.run(["sh", "-c", script], check=True, timeout=10)
    found = json.loads(file.read_text())["authority"]
    assert found["Certificates"] == [one for one in entries if one["domain"]["main"] in names]
    assert bool(found["Account"]) == (account == "kept")
    assert file.stat().st_mode & 0o777 == 0o600
