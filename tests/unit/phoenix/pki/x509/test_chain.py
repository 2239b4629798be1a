"""One table of valid and invalid chains for Phoenix, OpenSSL and Go; it names the faults that a tool misses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509

from phoenix.artifacts.obtain import cached
from phoenix.pki.x509.chain import client_refusal, server_refusal
from tests.unit.phoenix.pki.chains import CLIENT, DAY, NOW, SERVER, make, pem

ROOT = make("root", "root", depth=1, within=True)
OTHER = make("other", "other", depth=1)
OLD = make("old", "old", depth=1, begin=-9 * DAY, end=-DAY)
MIDDLE = make("middle", "root", depth=0, within=True)
SECOND = make("second", "middle", depth=None)
GOOD = make("leaf", "middle", names=("web.lab.test", "10.0.0.7"))


def leaf(issuer: str = "middle", *, names: Iterable[str] = ("web.lab.test",), **more: object) -> x509.Certificate:
    """A good leaf with some differences."""
    return make("leaf", issuer, names=names, **more)  # type: ignore[arg-type]  # passed on as they are


@dataclass(frozen=True)
class ChainCase:
    """A chain that is presented; `blind` holds the tools that give the opposite verdict, each with the reason."""

    good: bool
    chain: tuple[x509.Certificate, ...] = (GOOD, MIDDLE)
    ask: str = "web.lab.test"
    anchors: tuple[x509.Certificate, ...] = (ROOT,)
    blind: dict[str, str] = field(default_factory=dict)

    def verdict(self, tool: str) -> bool:
        """The expected verdict of a tool."""
        return self.good != (tool in self.blind)


NO_USAGE = {"go": "step accepts any usage"}
NO_CLIENT = {"go": "step cannot verify as a server does"}
TABLE = {
    "good by name": ChainCase(good=True),
    "good by address": ChainCase(good=True, ask="10.0.0.7"),
    "good by wildcard": ChainCase(good=True, chain=(leaf(names=["*.lab.test"]), MIDDLE)),
    "good as a client": ChainCase(good=True, ask="client"),
    "two anchors, the second is right": ChainCase(good=True, anchors=(OTHER, ROOT)),
    "two anchors, the first has expired": ChainCase(good=True, anchors=(OLD, ROOT)),
    "the root is sent along": ChainCase(good=True, chain=(GOOD, MIDDLE, ROOT)),
    "another name": ChainCase(good=False, ask="api.lab.test"),
    "another address": ChainCase(good=False, ask="10.0.0.8"),
    "a wildcard is one label deep": ChainCase(
        good=False, chain=(leaf(names=["*.lab.test"]), MIDDLE), ask="a.b.lab.test"
    ),
    "a wildcard is no bare zone": ChainCase(good=False, chain=(leaf(names=["*.lab.test"]), MIDDLE), ask="lab.test"),
    "a name outside the zone": ChainCase(
        good=False, chain=(leaf(names=["web.evil.test"]), MIDDLE), ask="web.evil.test"
    ),
    "one name of two outside": ChainCase(good=False, chain=(leaf(names=["web.lab.test", "web.evil.test"]), MIDDLE)),
    "an address outside": ChainCase(good=False, chain=(leaf(names=["192.0.2.1"]), MIDDLE), ask="192.0.2.1"),
    "expired": ChainCase(good=False, chain=(leaf(begin=-9 * DAY, end=-DAY), MIDDLE)),
    "not yet valid": ChainCase(good=False, chain=(leaf(begin=DAY, end=9 * DAY), MIDDLE)),
    "intermediate expired": ChainCase(
        good=False, chain=(GOOD, make("middle", "root", depth=0, begin=-9 * DAY, end=-DAY))
    ),
    "root expired": ChainCase(good=False, chain=(make("leaf", "old", names=["web.lab.test"]),), anchors=(OLD,)),
    "a client's as a server": ChainCase(good=False, chain=(leaf(usages=[CLIENT]), MIDDLE), blind=NO_USAGE),
    "a server's as a client": ChainCase(
        good=False, chain=(leaf(usages=[SERVER]), MIDDLE), ask="client", blind=NO_CLIENT
    ),
    "intermediate missing": ChainCase(good=False, chain=(GOOD,)),
    "root unknown": ChainCase(good=False, anchors=(OTHER,)),
    "another authority of the same name": ChainCase(good=False, chain=(leaf(signer="other"), MIDDLE)),
    "intermediate signed by another": ChainCase(
        good=False, chain=(GOOD, make("middle", "root", depth=0, signer="other"))
    ),
    "an intermediate as a leaf": ChainCase(
        good=False,
        chain=(make("middle", "root", depth=0, names=["web.lab.test"]),),
        blind={"go": "it lets an intermediate serve"},
    ),
    "a leaf as an intermediate": ChainCase(good=False, chain=(leaf("below"), make("below", "middle"), MIDDLE)),
    "path too long": ChainCase(good=False, chain=(leaf("second"), SECOND, MIDDLE)),
    "no alternative name": ChainCase(
        good=False,
        chain=(make("web.lab.test", "middle"), MIDDLE),
        blind={"openssl": "it falls back to the common name"},
    ),
}


def _files(case: ChainCase, folder: Path) -> tuple[str, str]:
    for name, certificates in (("chain", case.chain), ("anchors", case.anchors)):
        (folder / name).write_text(pem(certificates))
    return str(folder / "chain"), str(folder / "anchors")


def _accepts(*command: str) -> tuple[bool, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("title", TABLE)
def test_ours(title: str) -> None:
    """Phoenix gives the table's verdict, with a reason for each refusal."""
    case = TABLE[title]
    anchors = [pem([anchor]) for anchor in case.anchors]
    if case.ask == "client":
        refusal = client_refusal(pem(case.chain), anchors, NOW)
    else:
        refusal = server_refusal(pem(case.chain), anchors, case.ask, NOW)
    assert (refusal is None, bool(refusal)) == (case.good, not case.good), refusal


@pytest.mark.parametrize("title", TABLE)
def test_openssl(title: str, tmp_path: Path) -> None:
    """OpenSSL gives the table's verdict, except for its blind spots."""
    case = TABLE[title]
    chain, anchors = _files(case, tmp_path)
    name = "-verify_ip" if case.ask[-1].isdigit() else "-verify_hostname"
    asked = ("-purpose", "sslclient") if case.ask == "client" else ("-purpose", "sslserver", name, case.ask)
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
    accepted, output = _accepts(*command)
    assert accepted == case.verdict("openssl"), output


@pytest.fixture
def step() -> str:
    """The pinned step, which verifies with Go's crypto/x509."""
    program = cached().get("step")
    if program is None:
        pytest.skip("step was not obtained: make artifacts")
    return str(program.path)


@pytest.mark.lab
@pytest.mark.parametrize("title", TABLE)
def test_go(title: str, step: str, tmp_path: Path) -> None:
    """Go (`step certificate verify`) gives the table's verdict, except for its blind spots."""
    case = TABLE[title]
    chain, anchors = _files(case, tmp_path)
    host = () if case.ask == "client" else ("--host", case.ask)
    accepted, output = _accepts(step, "certificate", "verify", chain, "--roots", anchors, *host)
    assert accepted == case.verdict("go"), output


def test_invalid_input() -> None:
    """Text that is no certificate, and an empty set of anchors, give a refusal and no exception."""
    assert server_refusal("nothing", [pem([ROOT])], "web.lab.test", NOW)
    assert client_refusal(pem([GOOD, MIDDLE]), [], NOW)


def test_another_time() -> None:
    """The time that is passed in decides, not the machine's clock."""
    chain, anchors = pem([GOOD, MIDDLE]), [pem([ROOT])]
    times = (NOW - 2 * DAY, NOW, NOW + 2 * DAY)
    assert [server_refusal(chain, anchors, "web.lab.test", now) is None for now in times] == [False, True, False]
    assert [client_refusal(chain, anchors, now) is None for now in times] == [False, True, False]
