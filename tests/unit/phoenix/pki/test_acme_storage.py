"""The mesh's storage: what is read from it, and what is to be done about each certificate, as a table."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta

import pytest

from phoenix.estate import MeshValidity
from phoenix.pki.acme_storage import FOREIGN, Stored, judge, read_storage
from phoenix.pki.bundle import Bundle, SeenAuthority
from tests.unit.phoenix.pki.certificates import HOUR, NOW, certificate

DAY = timedelta(days=1)
ROOT = certificate("root", "root", end=3650 * DAY)
SIGNS, SIGNED = certificate("signs", "root", end=1825 * DAY), certificate("signed", "root", end=1825 * DAY)
AUTHORITY = SeenAuthority(Bundle((ROOT,)), SIGNS)
MESH = MeshValidity.model_validate({"lifetime": "30d"})
RETIRED = "it is signed by an intermediate that signs no more"


def stored(
    name: str = "a.test",
    *,
    names: tuple[str, ...] = ("a.test",),
    issuer: str = "signs",
    end: timedelta = 25 * DAY,
    life: timedelta = 30 * DAY,
) -> Stored:
    """A certificate of the storage with its chain."""
    above = {"signs": SIGNS, "signed": SIGNED}.get(issuer, "")
    return Stored(name, (certificate(name, issuer, names=names, begin=end - life, end=end) + above).encode())


@pytest.mark.parametrize(
    ("seen", "dropped", "renewed"),
    [
        (stored(), "", ""),
        (stored(end=5 * DAY + HOUR), "", ""),
        (stored(end=4 * DAY), "", "4 d left, and it was not renewed in time"),
        (stored(end=-HOUR / 2), "", "expired"),
        (stored(life=30 * DAY + timedelta(minutes=1)), "", ""),
        (stored(life=90 * DAY), "", "it was made to live 90 d, the inventory says 30d"),
        (stored(issuer="signed"), "", RETIRED),
        (stored(issuer="stranger"), FOREIGN, ""),
        (stored(names=("a.test", "b.test")), "it is for a.test, b.test", ""),
        (stored("z.test", names=("z.test",)), "no route has this name", ""),
        (Stored("a.test", b"nothing"), "unreadable", ""),
    ],
)
def test_verdict(seen: Stored, dropped: str, renewed: str) -> None:
    """A certificate is dropped, or renewed while it is served, for exactly the reasons in the table."""
    verdict = judge((seen,), {"a.test": ("a.test",)}, AUTHORITY, MESH, NOW)
    assert verdict.dropped == ({seen.name: dropped} if dropped else {})
    assert verdict.renewed == ({seen.name: renewed} if renewed else {})
    assert verdict.missing == (() if seen.name == "a.test" else ("a.test",))


def test_account_is_given_up_with_the_authority_only() -> None:
    """The account is forgotten when nothing in the storage is of this authority, and kept when something is."""
    wanted = {"a.test": ("a.test",), "b.test": ("b.test",)}
    foreign, good = stored(issuer="stranger"), stored("b.test", names=("b.test",))
    assert judge((foreign,), wanted, AUTHORITY, MESH, NOW).forsaken
    assert not judge((foreign, good), wanted, AUTHORITY, MESH, NOW).forsaken
    assert not judge((), wanted, AUTHORITY, MESH, NOW).forsaken


def test_an_unknown_authority_condemns_nothing() -> None:
    """Without knowing who signs, only names and time are judged."""
    verdict = judge((stored(issuer="stranger"),), {"a.test": ("a.test",)}, None, MESH, NOW)
    assert (verdict.dropped, verdict.renewed) == ({}, {})


def test_storage_is_read_by_its_lines() -> None:
    """Names and certificates are found in what Traefik writes, further names of a certificate or not."""
    entries = [
        {"domain": {"main": "a.test"}, "certificate": b64encode(b"A").decode(), "key": "x", "Store": "default"},
        {"domain": {"main": "b.test", "sans": ["c.test"]}, "certificate": b64encode(b"B").decode(), "key": "x"},
    ]
    text = json.dumps({"authority": {"Account": {"PrivateKey": "x"}, "Certificates": entries}}, indent=2)
    assert read_storage(text) == (Stored("a.test", b"A"), Stored("b.test", b"B"))
    assert read_storage("") == ()
