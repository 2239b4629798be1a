"""Good and bad chains: our verdict, OpenSSL's and Go's, on one table that says where a tool cannot see a fault."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509

from phoenix.artifacts.obtain import cached
from phoenix.pki.chain import refused_client, refused_server
from tests.unit.phoenix.pki.chains import CLIENT, DAY, NOW, SERVER, make, pem

ROOT = make("root", "root", depth=1, within=True)
OTHER = make("other", "other", depth=1)
OLD = make("old", "old", depth=1, begin=-9 * DAY, end=-DAY)
MIDDLE = make("middle", "root", depth=0, within=True)
SECOND = make("second", "middle", depth=None)
GOOD = make("leaf", "middle", names=("web.lab.test", "10.0.0.7"))


def leaf(issuer: str = "middle", *, names: Iterable[str] = ("web.lab.test",), **more: object) -> x509.Certificate:
    """A leaf that is good but for what is said."""
    return make("leaf", issuer, names=names, **more)  # type: ignore[arg-type]  # passed on as they are


@dataclass(frozen=True)
class Row:
    """What is shown to whom. `blind` says which tool gives the other verdict, and why."""

    good: bool
    chain: tuple[x509.Certificate, ...] = (GOOD, MIDDLE)
    ask: str = "web.lab.test"
    anchors: tuple[x509.Certificate, ...] = (ROOT,)
    blind: dict[str, str] = field(default_factory=dict)

    def verdict(self, tool: str) -> bool:
        """What the tool is to say."""
        return self.good != (tool in self.blind)


NO_USAGE = {"go": "step asks for any usage"}
NO_CLIENT = {"go": "step cannot ask as a server that a client comes to"}
TABLE = {
    "good by name": Row(good=True),
    "good by address": Row(good=True, ask="10.0.0.7"),
    "good by wildcard": Row(good=True, chain=(leaf(names=["*.lab.test"]), MIDDLE)),
    "good as a client": Row(good=True, ask="client"),
    "two anchors, the second is right": Row(good=True, anchors=(OTHER, ROOT)),
    "two anchors, the first has expired": Row(good=True, anchors=(OLD, ROOT)),
    "the root is sent along": Row(good=True, chain=(GOOD, MIDDLE, ROOT)),
    "another name": Row(good=False, ask="api.lab.test"),
    "another address": Row(good=False, ask="10.0.0.8"),
    "a wildcard is one label deep": Row(good=False, chain=(leaf(names=["*.lab.test"]), MIDDLE), ask="a.b.lab.test"),
    "a wildcard is no bare zone": Row(good=False, chain=(leaf(names=["*.lab.test"]), MIDDLE), ask="lab.test"),
    "a name outside the zone": Row(good=False, chain=(leaf(names=["web.evil.test"]), MIDDLE), ask="web.evil.test"),
    "one name of two outside": Row(good=False, chain=(leaf(names=["web.lab.test", "web.evil.test"]), MIDDLE)),
    "an address outside": Row(good=False, chain=(leaf(names=["192.0.2.1"]), MIDDLE), ask="192.0.2.1"),
    "expired": Row(good=False, chain=(leaf(begin=-9 * DAY, end=-DAY), MIDDLE)),
    "not yet valid": Row(good=False, chain=(leaf(begin=DAY, end=9 * DAY), MIDDLE)),
    "intermediate expired": Row(good=False, chain=(GOOD, make("middle", "root", depth=0, begin=-9 * DAY, end=-DAY))),
    "root expired": Row(good=False, chain=(make("leaf", "old", names=["web.lab.test"]),), anchors=(OLD,)),
    "a client's as a server": Row(good=False, chain=(leaf(usages=[CLIENT]), MIDDLE), blind=NO_USAGE),
    "a server's as a client": Row(good=False, chain=(leaf(usages=[SERVER]), MIDDLE), ask="client", blind=NO_CLIENT),
    "intermediate missing": Row(good=False, chain=(GOOD,)),
    "root unknown": Row(good=False, anchors=(OTHER,)),
    "another authority of the same name": Row(good=False, chain=(leaf(signer="other"), MIDDLE)),
    "intermediate signed by another": Row(good=False, chain=(GOOD, make("middle", "root", depth=0, signer="other"))),
    "an intermediate as a leaf": Row(
        good=False,
        chain=(make("middle", "root", depth=0, names=["web.lab.test"]),),
        blind={"go": "a certificate that may sign may also serve"},
    ),
    "a leaf as an intermediate": Row(good=False, chain=(leaf("below"), make("below", "middle"), MIDDLE)),
    "path too long": Row(good=False, chain=(leaf("second"), SECOND, MIDDLE)),
    "no alternative name": Row(
        good=False,
        chain=(make("web.lab.test", "middle"), MIDDLE),
        blind={"openssl": "it takes the common name where there is no other"},
    ),
}


def _files(row: Row, folder: Path) -> tuple[str, str]:
    for name, certificates in (("chain", row.chain), ("anchors", row.anchors)):
        (folder / name).write_text(pem(certificates))
    return str(folder / "chain"), str(folder / "anchors")


def _accepts(*command: str) -> tuple[bool, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("title", TABLE)
def test_ours(title: str) -> None:
    """Our verdict is that of the table, with a reason where it is a refusal."""
    row = TABLE[title]
    anchors = [pem([anchor]) for anchor in row.anchors]
    if row.ask == "client":
        refused = refused_client(pem(row.chain), anchors, NOW)
    else:
        refused = refused_server(pem(row.chain), anchors, row.ask, NOW)
    assert (refused is None, bool(refused)) == (row.good, not row.good), refused


@pytest.mark.parametrize("title", TABLE)
def test_openssl(title: str, tmp_path: Path) -> None:
    """OpenSSL gives the table's verdict, but for the rows that it is said to be blind to."""
    row = TABLE[title]
    chain, anchors = _files(row, tmp_path)
    name = "-verify_ip" if row.ask[-1].isdigit() else "-verify_hostname"
    asked = ("-purpose", "sslclient") if row.ask == "client" else ("-purpose", "sslserver", name, row.ask)
    command = (
        "openssl",
        "verify",
        "-no-CApath",
        "-x509_strict",
        "-CAfile",
        anchors,
        "-untrusted",
        chain,
        *asked,
        chain,
    )
    accepted, said = _accepts(*command)
    assert accepted == row.verdict("openssl"), said


@pytest.fixture
def step() -> str:
    """The pinned step, which verifies by Go's crypto/x509."""
    program = cached().get("step")
    if program is None:
        pytest.skip("step was not obtained: make artifacts")
    return str(program.path)


@pytest.mark.lab
@pytest.mark.parametrize("title", TABLE)
def test_go(title: str, step: str, tmp_path: Path) -> None:
    """Go, by `step certificate verify`, gives the table's verdict, but for the rows that it is said to be blind to."""
    row = TABLE[title]
    chain, anchors = _files(row, tmp_path)
    host = () if row.ask == "client" else ("--host", row.ask)
    accepted, said = _accepts(step, "certificate", "verify", chain, "--roots", anchors, *host)
    assert accepted == row.verdict("go"), said


def test_nothing_to_verify() -> None:
    """What is no certificate is refused, with a reason, and raises nothing."""
    assert refused_server("nothing", [pem([ROOT])], "web.lab.test", NOW)
    assert refused_client(pem([GOOD, MIDDLE]), [], NOW)


def test_another_time() -> None:
    """The time that is asked for is the one that counts, not that of this machine."""
    chain, anchors = pem([GOOD, MIDDLE]), [pem([ROOT])]
    times = (NOW - 2 * DAY, NOW, NOW + 2 * DAY)
    assert [refused_server(chain, anchors, "web.lab.test", now) is None for now in times] == [False, True, False]
    assert [refused_client(chain, anchors, now) is None for now in times] == [False, True, False]
