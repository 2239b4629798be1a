"""A web certificate is set only where the API lane goes on with it; otherwise the lines to write are told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from phoenix.connections.access import ApiAccess
from phoenix.connections.proxmox import ApiError
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Hypervisor
from phoenix.pki.bundle import SeenAuthority, read_bundle
from phoenix.run import Run
from phoenix.tasks.certificates import api_trust
from phoenix.tasks.certificates.api_trust import connection_problems, own_certificate_problem, prove_connection
from tests.support.chains import Authority
from tests.support.estates import estate, hypervisor

PIN = {"fingerprint": ":".join(["AB"] * 32)}
NODE = hypervisor(web_certificate=True)


def small(node: Hypervisor = NODE) -> Estate:
    """The small estate with a hypervisor as it should be."""
    return estate().model_copy(update={"hypervisors": (node,)})


def running(authority: SeenAuthority | None, url: str = "https://10.0.0.2:8006", **trust: Any) -> Run:
    """A run whose access file says so."""
    token = {"token_id": "phoenix@pve!deploy", "token_secret": "11111111-2222-3333-4444-555555555555"}
    access = ApiAccess.model_validate({"url": url, **token, **trust})
    links = SimpleNamespace(api=lambda _name: SimpleNamespace(access=access))
    run = Run(small(), cast("Any", links), frozenset({"pve"}))
    run.known_authority = authority
    return run


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The estate's authority."""
    return Authority(tmp_path / "authority")


def seen(*authorities: Authority) -> SeenAuthority:
    """What the authority publishes: its anchors."""
    return SeenAuthority(read_bundle("".join(one.root.read_text() for one in authorities)))


def test_pin_alone(authority: Authority) -> None:
    """A pinned fingerprint cannot hold: the lines to add are told, with the name if the URL's host is another one."""
    (problem,) = connection_problems(running(seen(authority), **PIN), NODE)
    assert problem.startswith("pve: with `web_certificate` its certificate changes every few days")
    assert (
        "add `ca: FILE` below its `api:`, where FILE is a copy of the node's /lxc/110/ssl/phoenix_ca_bundle" in problem
    )
    (problem,) = connection_problems(running(seen(authority), "https://127.0.0.1:8006", **PIN), NODE)
    assert "add `ca: FILE` and `name: node.lab.test` below its `api:`" in problem


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://10.0.0.2:8006", None),
        ("https://node.lab.test", None),
        ("https://127.0.0.1:8006", "node.lab.test"),
        ("https://127.0.0.1:8006", "10.0.0.2"),
    ],
)
@pytest.mark.parametrize("pin", [PIN, {}])
def test_authority_trusted(authority: Authority, url: str, name: str | None, pin: dict[str, str]) -> None:
    """With the estate's anchors, for a name or address that the certificate is for, there is no problem."""
    assert list(connection_problems(running(seen(authority), url, ca=authority.root, name=name, **pin), NODE)) == []


def test_other_name(authority: Authority) -> None:
    """A name that the certificate is not for would be refused by the lane, and is told before."""
    (problem,) = connection_problems(running(seen(authority), "https://127.0.0.1:8006", ca=authority.root), NODE)
    assert "is not for 127.0.0.1: add `name: node.lab.test`" in problem


def test_rotated_root(authority: Authority, tmp_path: Path) -> None:
    """A new anchor must stand in the file before anything is signed by it; the old one alone is not enough."""
    both = seen(authority, Authority(tmp_path / "next"))
    (problem,) = connection_problems(running(both, ca=authority.root), NODE)
    assert f"{authority.root}, which the access file names, lacks 1 of the estate's anchors: append /lxc/110" in problem
    file = tmp_path / "both.crt"
    file.write_text(both.bundle.pem)
    assert list(connection_problems(running(both, ca=file), NODE)) == []


def test_no_authority_yet(authority: Authority) -> None:
    """Before there is an authority there is nothing to trust; one that was trusted may be about to be restored."""
    (problem,) = connection_problems(running(None, **PIN), NODE)
    assert "deploy once without it" in problem
    assert list(connection_problems(running(None, ca=authority.root), NODE)) == []


def test_switched_off(authority: Authority) -> None:
    """Without a web certificate a pin is enough; without a pin the way back to the node's own is closed."""
    pinned, signed = running(seen(authority), **PIN), running(seen(authority), ca=authority.root)
    assert list(connection_problems(pinned, hypervisor())) == []
    assert own_certificate_problem(pinned, NODE) is None
    assert "add its `fingerprint`" in (own_certificate_problem(signed, NODE) or "")


def test_lane_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A web server that starts again is waited for; a lane that is lost is told, with the way out."""
    asked: list[str] = []

    class Api:
        def close(self) -> None:
            asked.append("close")

        def get(self, path: str) -> None:
            asked.append(path)
            if len(asked) < 3:
                raise ApiError("connection refused")

    run = running(None, **PIN)
    run.links.api = cast("Any", lambda _name: Api())  # type: ignore[method-assign]
    prove_connection(run, NODE)
    assert asked == ["close", "version", "version"]
    asked.clear()
    monkeypatch.setattr(api_trust, "PROOF_SECONDS", 0.0)
    with pytest.raises(TaskFailedError, match="connection refused; `pvenode cert delete 1` on the node"):
        prove_connection(run, NODE)
