"""The mesh's storage: parsing it, and the plan for each certificate as a table."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta

import pytest

from phoenix.estate import MeshValidity
from phoenix.pki.acme_storage import Drop, DropCause, StoredCertificate, plan_storage, read_storage
from phoenix.pki.bundle import Bundle, SeenAuthority
from tests.unit.phoenix.pki.certificates import HOUR, NOW, certificate

DAY = timedelta(days=1)
ROOT = certificate("root", "root", end=3650 * DAY)
SIGNS, SIGNED = certificate("signs", "root", end=1825 * DAY), certificate("signed", "root", end=1825 * DAY)
AUTHORITY = SeenAuthority(Bundle((ROOT,)), SIGNS)
MESH = MeshValidity.model_validate({"lifetime": "30d"})
RETIRED = "it was signed by a retired intermediate"
FOREIGN = Drop(DropCause.FOREIGN, "its chain leads to no root of the CA")


def stored(
    name: str = "a.test",
    *,
    names: tuple[str, ...] = ("a.test",),
    issuer: str = "signs",
    end: timedelta = 25 * DAY,
    life: timedelta = 30 * DAY,
) -> StoredCertificate:
    """A certificate of the storage with its chain."""
    above = {"signs": SIGNS, "signed": SIGNED}.get(issuer, "")
    return StoredCertificate(name, (certificate(name, issuer, names=names, begin=end - life, end=end) + above).encode())


@pytest.mark.parametrize(
    ("seen", "dropped", "renewed"),
    [
        (stored(), None, None),
        (stored(end=5 * DAY + HOUR), None, None),
        (stored(end=4 * DAY), None, "4 d left, renewal is overdue"),
        (stored(end=-HOUR / 2), None, "expired"),
        (stored(life=30 * DAY + timedelta(minutes=1)), None, None),
        (stored(life=90 * DAY), None, "its lifetime is 90 d, the inventory says 30d"),
        (stored(issuer="signed"), None, RETIRED),
        (stored(issuer="foreign"), FOREIGN, None),
        (stored(names=("a.test", "b.test")), Drop(DropCause.NAMES, "its names are a.test, b.test"), None),
        (stored("z.test", names=("z.test",)), Drop(DropCause.UNROUTED, "no route has this name"), None),
        (StoredCertificate("a.test", b"nothing"), Drop(DropCause.UNREADABLE, "unreadable"), None),
    ],
)
def test_plan(seen: StoredCertificate, dropped: Drop | None, renewed: str | None) -> None:
    """A certificate is dropped, or renewed while it is served, for exactly the reasons in the table."""
    plan = plan_storage((seen,), {"a.test": ("a.test",)}, AUTHORITY, MESH, NOW)
    assert plan.dropped == ({seen.name: dropped} if dropped else {})
    assert plan.renewed == ({seen.name: renewed} if renewed else {})
    assert plan.missing == (() if seen.name == "a.test" else ("a.test",))


def test_account_of_another_ca_is_stale() -> None:
    """The ACME account is stale exactly if every stored certificate is of another CA."""
    wanted = {"a.test": ("a.test",), "b.test": ("b.test",)}
    foreign, good = stored(issuer="foreign"), stored("b.test", names=("b.test",))
    assert plan_storage((foreign,), wanted, AUTHORITY, MESH, NOW).account_is_stale
    assert not plan_storage((foreign, good), wanted, AUTHORITY, MESH, NOW).account_is_stale
    assert not plan_storage((), wanted, AUTHORITY, MESH, NOW).account_is_stale


def test_unknown_ca() -> None:
    """While the CA is unknown, only names and time are compared."""
    plan = plan_storage((stored(issuer="foreign"),), {"a.test": ("a.test",)}, None, MESH, NOW)
    assert (plan.dropped, plan.renewed) == ({}, {})


def test_storage_is_read_by_its_lines() -> None:
    """Names and certificates are read from Traefik's JSON, with and without further names."""
    entries = [
        {"domain": {"main": "a.test"}, "certificate": b64encode(b"A").decode(), "key": "x", "Store": "default"},
        {"domain": {"main": "b.test", "sans": ["c.test"]}, "certificate": b64encode(b"B").decode(), "key": "x"},
    ]
    text = json.dumps({"authority": {"Account": {"PrivateKey": "x"}, "Certificates": entries}}, indent=2)
    assert read_storage(text) == (StoredCertificate("a.test", b"A"), StoredCertificate("b.test", b"B"))
    assert read_storage("") == ()
