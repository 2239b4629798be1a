"""A leaf is replaced for exactly the reasons in the table, whatever else the host may say."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix.derive.certificates import Leaf
from phoenix.pki.decision import Keep, Reissue, SeenLeaf, decide

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BEFORE = 8 * HOUR
NAMES = ("app.lab.test", "localhost")
ADDRESSES = ("10.0.0.20", "127.0.0.1")
LEAF = Leaf("app", "app", NAMES, ADDRESSES, "/tls/app.crt", "/tls/app.key")
Key = ec.EllipticCurvePrivateKey


@lru_cache
def key(name: str) -> Key:
    """A key, always the same for a name."""
    assert name
    return ec.generate_private_key(ec.SECP256R1())


def name(text: str) -> x509.Name:
    """A subject of one common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    subject: str,
    issuer: str,
    *,
    names: Iterable[str] = (),
    addresses: Iterable[str] = (),
    begin: timedelta = -HOUR,
    end: timedelta = 23 * HOUR,
) -> str:
    """A certificate signed by the key of its issuer's name."""
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
    builder = builder.public_key(key(subject).public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW + begin).not_valid_after(NOW + end)
    general = [*map(x509.DNSName, names), *(x509.IPAddress(ip_address(address)) for address in addresses)]
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    return builder.sign(key(issuer), SHA256()).public_bytes(Encoding.PEM).decode()


def public(subject: str) -> str:
    """The public half of a key, as openssl prints it."""
    return key(subject).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


ROOT = certificate("root", "root", end=10_000 * HOUR)
INTERMEDIATE = certificate("intermediate", "root", end=5_000 * HOUR)


def leaf(
    names: Iterable[str] = NAMES,
    addresses: Iterable[str] = ADDRESSES,
    issuer: str = "intermediate",
    begin: timedelta = -HOUR,
    end: timedelta = 23 * HOUR,
) -> str:
    """A leaf of the estate with its intermediate."""
    own = certificate("app", issuer, names=names, addresses=addresses, begin=begin, end=end)
    return own + INTERMEDIATE


GOOD = SeenLeaf(leaf(), public("app"))


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (GOOD, None),
        (replace(GOOD, public_key=f"\n{public('app')}\n"), None),
        (replace(GOOD, chain=leaf(names=reversed(NAMES), addresses=reversed(ADDRESSES))), None),
        (replace(GOOD, chain=GOOD.chain + ROOT if GOOD.chain else None), None),
        (replace(GOOD, chain=leaf(end=BEFORE / 2)), None),
        (SeenLeaf(None, None), "absent"),
        (SeenLeaf(None, public("app")), "absent"),
        (SeenLeaf("", public("app")), "absent"),
        (replace(GOOD, chain="no certificate"), "unreadable"),
        (replace(GOOD, chain=leaf()[:200]), "unreadable"),
        (replace(GOOD, public_key=None), "its key is absent or unreadable"),
        (replace(GOOD, public_key=""), "its key is absent or unreadable"),
        (replace(GOOD, public_key=public("other")), "its key does not match"),
        (replace(GOOD, chain=leaf(names=NAMES[:1])), "names differ: missing localhost"),
        (replace(GOOD, chain=leaf(names=(*NAMES, "b.test"))), "names differ: surplus b.test"),
        (
            replace(GOOD, chain=leaf(names=("old.test",), addresses=())),
            "names differ: missing 10.0.0.20, 127.0.0.1, app.lab.test, localhost; surplus old.test",
        ),
        (
            replace(GOOD, chain=leaf(names=(), addresses=())),
            "names differ: missing 10.0.0.20, 127.0.0.1, app.lab.test, localhost",
        ),
        (replace(GOOD, chain=leaf(issuer="stranger")), "it does not lead to the estate's root"),
        (replace(GOOD, chain=leaf().removesuffix(INTERMEDIATE)), "it does not lead to the estate's root"),
        (replace(GOOD, chain=leaf(begin=-25 * HOUR, end=-HOUR)), "expired 2026-03-01 11:00 UTC"),
        (replace(GOOD, chain=leaf(end=timedelta())), "expired 2026-03-01 12:00 UTC"),
        (
            replace(GOOD, chain=leaf(begin=HOUR)),
            "not valid before 2026-03-01 13:00 UTC: is a clock wrong?",
        ),
        (replace(GOOD, chain=leaf(begin=timedelta(minutes=4))), None),
        (
            replace(GOOD, chain=leaf(end=BEFORE / 2 - timedelta(minutes=6))),
            "3.9 h left, and it was not renewed in time",
        ),
    ],
)
def test_decision(seen: SeenLeaf, reason: str | None) -> None:
    """A leaf stays, or is issued anew for the reason in the table."""
    decision = decide(LEAF, seen, ROOT, NOW, BEFORE)
    assert decision == (Keep() if reason is None else Reissue(reason))


@pytest.mark.parametrize("anchor", ["", "none", certificate("other", "other")])
def test_other_root(anchor: str) -> None:
    """A leaf of another root does not stay, and none does while no root is known."""
    decision = decide(LEAF, GOOD, anchor, NOW, BEFORE)
    assert decision == Reissue("it does not lead to the estate's root")


def test_root_made_anew_with_its_key() -> None:
    """A root that was only made valid for longer still stands above its leaves."""
    assert decide(LEAF, GOOD, certificate("root", "root", end=99_999 * HOUR), NOW, BEFORE) == Keep()


@settings(max_examples=60, deadline=None)
@given(
    begin=st.integers(-600, 600).map(lambda minutes: timedelta(minutes=minutes)),
    life=st.integers(1, 3000).map(lambda minutes: timedelta(minutes=minutes)),
    names=st.sets(st.sampled_from([*NAMES, "other.test"]), min_size=1),
    own_key=st.booleans(),
    own_root=st.booleans(),
)
def test_any_leaf(*, begin: timedelta, life: timedelta, names: set[str], own_key: bool, own_root: bool) -> None:
    """A leaf stays exactly if names, key, root and time are right; a reason says one that is not."""
    issuer, subject = "intermediate" if own_root else "stranger", "app" if own_key else "other"
    seen = SeenLeaf(leaf(sorted(names), issuer=issuer, begin=begin, end=begin + life), public(subject))
    right = {
        "its key does not match": own_key,
        "names differ": names == set(NAMES),
        "it does not lead to the estate's root": own_root,
        "not valid before": begin <= timedelta(minutes=5),
        "expired": begin + life > timedelta(),
        "left, and it was not renewed in time": begin + life >= BEFORE / 2,
    }
    decision = decide(LEAF, seen, ROOT, NOW, BEFORE)
    if isinstance(decision, Reissue):
        assert [wrong for wrong, good in right.items() if wrong in decision.reason and not good]
    else:
        assert all(right.values())


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # a broken one may be odd
@settings(max_examples=150, deadline=None, derandomize=True)
@given(position=st.integers(0, 400), value=st.integers(0, 255), key_text=st.text(max_size=20))
def test_broken_bytes(position: int, value: int, key_text: str) -> None:
    """Whatever bytes lie in the file, the answer is a decision."""
    head, _, body = leaf().partition("-----BEGIN CERTIFICATE-----\n")
    raw = bytearray(b64decode(body.partition("-----END")[0]))
    raw[position % len(raw)] = value
    broken = f"{head}-----BEGIN CERTIFICATE-----\n{b64encode(raw).decode()}\n-----END CERTIFICATE-----\n"
    assert isinstance(decide(LEAF, SeenLeaf(broken, key_text), ROOT, NOW, BEFORE), Keep | Reissue)
