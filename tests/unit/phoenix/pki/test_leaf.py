"""A leaf is kept, put right, renewed or replaced for exactly the reasons in the table, whatever the host may say."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix.derive.certificates import Leaf
from phoenix.estate import Validity
from phoenix.pki.bundle import Bundle, SeenAuthority
from phoenix.pki.leaf import Decision, Keep, Reissue, Renew, SeenFile, SeenLeaf, Settle, decide
from tests.unit.phoenix.pki.certificates import HOUR, NOW, certificate, public

NAMES = ("app.lab.test", "localhost")
ADDRESSES = ("10.0.0.20", "127.0.0.1")
BOTH = ("server", "client")
VALIDITY = Validity.model_validate({"lifetime": "24h", "renew_before": "8h"})
LEAF = Leaf("app", "app", NAMES, ADDRESSES, "/tls/app.crt", "/tls/app.key", validity=VALIDITY)
CLIENT = replace(LEAF, usage="client")

ROOT = certificate("root", "root", end=10_000 * HOUR)
NEXT_ROOT = certificate("next root", "next root", end=20_000 * HOUR)
INTERMEDIATE = certificate("intermediate", "root", end=5_000 * HOUR)
NEXT_INTERMEDIATE = certificate("next intermediate", "next root", end=5_000 * HOUR)
AUTHORITY = SeenAuthority(Bundle((ROOT,)), INTERMEDIATE, "kid-1")


def leaf(
    *,
    subject: str = "app",
    names: Iterable[str] = NAMES,
    addresses: Iterable[str] = ADDRESSES,
    usages: Iterable[str] = BOTH,
    issuer: str = "intermediate",
    provisioner: str = "kid-1",
    begin: timedelta = -HOUR,
    life: timedelta = 24 * HOUR,
    above: str = INTERMEDIATE,
) -> str:
    """A leaf of the estate with its intermediate."""
    fields = {"names": names, "addresses": addresses, "usages": usages}
    own = certificate(subject, issuer, **fields, provisioner=provisioner, begin=begin, end=begin + life)
    return own + above


GOOD = SeenLeaf(leaf(), public("app"), SeenFile("root:root", "0644"), SeenFile("root:root", "0600"))


def seen(**different: object) -> SeenLeaf:
    """A good leaf, but for something."""
    return replace(GOOD, chain=leaf(**different))  # type: ignore[arg-type]  # the fields of leaf()


ANOTHER = "it is signed by an intermediate that signs no more"
WITHDRAWN = "the provisioner that it came from is withdrawn"
ASTRAY = "it does not lead to the estate's root"


@pytest.mark.parametrize(
    ("given_leaf", "decision"),
    [
        (GOOD, Keep()),
        (replace(GOOD, public_key=f"\n{public('app')}\n"), Keep()),
        (seen(names=reversed(NAMES), addresses=reversed(ADDRESSES)), Keep()),
        (replace(GOOD, chain=f"{GOOD.chain}{ROOT}"), Keep()),
        (replace(GOOD, certificate_file=None, key_file=None), Keep()),
        # Nothing that could be kept
        (SeenLeaf(None, None), Reissue("absent")),
        (SeenLeaf(None, public("app")), Reissue("absent")),
        (SeenLeaf("", public("app")), Reissue("absent")),
        (replace(GOOD, chain="no certificate"), Reissue("unreadable")),
        (replace(GOOD, chain=leaf()[:200]), Reissue("unreadable")),
        # The key
        (replace(GOOD, public_key=None), Reissue("its key is absent or unreadable")),
        (replace(GOOD, public_key=""), Reissue("its key is absent or unreadable")),
        (replace(GOOD, public_key=public("other")), Reissue("its key does not match")),
        (
            replace(seen(subject="rsa app"), public_key=public("rsa app")),
            Reissue("its key is RSA 2048, should be EC P-256"),
        ),
        (
            replace(seen(subject="p384 app"), public_key=public("p384 app")),
            Reissue("its key is EC P-384, should be EC P-256"),
        ),
        (
            replace(GOOD, key_file=SeenFile("root:root", "0644")),
            Reissue("its key could be read by everybody (mode 0644)"),
        ),
        # Names, by kind
        (seen(names=NAMES[:1]), Reissue("names differ: missing localhost")),
        (seen(names=(*NAMES, "b.test")), Reissue("names differ: surplus b.test")),
        (seen(addresses=ADDRESSES[:1]), Reissue("names differ: missing 127.0.0.1")),
        (
            seen(names=(*NAMES, "127.0.0.1"), addresses=ADDRESSES[:1]),
            Reissue("names differ: missing 127.0.0.1; surplus 127.0.0.1"),
        ),
        (
            seen(names=("old.test",), addresses=()),
            Reissue("names differ: missing 10.0.0.20, 127.0.0.1, app.lab.test, localhost; surplus old.test"),
        ),
        (
            seen(names=(), addresses=()),
            Reissue("names differ: missing 10.0.0.20, 127.0.0.1, app.lab.test, localhost"),
        ),
        # Usage
        (seen(usages=("server",)), Reissue("usage differs: is serverAuth")),
        (seen(usages=()), Reissue("usage differs: is none")),
        # Who signed it
        (seen(issuer="stranger"), Reissue(ASTRAY)),
        (seen(above=""), Reissue(ASTRAY)),
        (seen(issuer="next intermediate", above=NEXT_INTERMEDIATE), Reissue(ASTRAY)),
        (seen(provisioner="kid-0"), Reissue(WITHDRAWN)),
        (seen(provisioner=""), Reissue(WITHDRAWN)),
        # Time
        (seen(begin=-25 * HOUR), Reissue("expired 2026-03-01 11:00 UTC")),
        (seen(begin=-24 * HOUR), Reissue("expired 2026-03-01 12:00 UTC")),
        (seen(begin=HOUR), Reissue("not valid before 2026-03-01 13:00 UTC: is a clock wrong?")),
        (seen(begin=timedelta(minutes=4)), Keep()),
        (seen(life=48 * HOUR), Reissue("it was made to live 2 d, the inventory says 1d")),
        (seen(life=12 * HOUR), Reissue("it was made to live 12.0 h, the inventory says 1d")),
        (seen(life=24 * HOUR + timedelta(minutes=1)), Keep()),
        (seen(begin=-16 * HOUR), Renew("8.0 h left, renewed from 8h on")),
        (seen(begin=-16 * HOUR + timedelta(minutes=1)), Keep()),
        (seen(begin=-23.5 * HOUR), Renew("30 min left, renewed from 8h on")),
        (
            seen(above=certificate("intermediate", "root", end=HOUR)),
            Reissue(ANOTHER),
        ),
        # The files
        (
            replace(GOOD, certificate_file=SeenFile("root:root", "0600")),
            Settle("/tls/app.crt is root:root 0600, should be root:root 0644"),
        ),
        (
            replace(GOOD, key_file=SeenFile("app:app", "0640")),
            Settle("/tls/app.key is app:app 0640, should be root:root 0600"),
        ),
    ],
)
def test_decision(given_leaf: SeenLeaf, decision: Decision) -> None:
    """A leaf stays, or what is told in the table happens to it."""
    assert decide(LEAF, given_leaf, AUTHORITY, NOW) == decision


@pytest.mark.parametrize(
    ("usages", "decision"),
    [(("client",), Keep()), (BOTH, Reissue("usage differs: is clientAuth, serverAuth"))],
)
def test_client(usages: tuple[str, ...], decision: Decision) -> None:
    """A client's leaf is good for nothing else."""
    assert decide(CLIENT, seen(usages=usages), AUTHORITY, NOW) == decision


@pytest.mark.parametrize(
    ("authority", "decision"),
    [
        (None, Reissue(ASTRAY)),
        (SeenAuthority(Bundle((certificate("other", "other"),))), Reissue(ASTRAY)),
        (SeenAuthority(Bundle((ROOT,))), Keep()),
        (SeenAuthority(Bundle((ROOT, NEXT_ROOT)), INTERMEDIATE, "kid-1"), Keep()),
        (SeenAuthority(Bundle((NEXT_ROOT, ROOT)), INTERMEDIATE, "kid-1"), Keep()),
        (SeenAuthority(Bundle((ROOT, NEXT_ROOT)), NEXT_INTERMEDIATE, "kid-1"), Reissue(ANOTHER)),
        (SeenAuthority(Bundle((NEXT_ROOT,)), NEXT_INTERMEDIATE, "kid-1"), Reissue(ASTRAY)),
        (SeenAuthority(Bundle((ROOT,)), INTERMEDIATE, "kid-2"), Reissue(WITHDRAWN)),
        (SeenAuthority(Bundle((certificate("root", "root", end=99_999 * HOUR),)), INTERMEDIATE, "kid-1"), Keep()),
    ],
)
def test_rotation(authority: SeenAuthority | None, decision: Decision) -> None:
    """While a root is rotated its leaves stay until another intermediate signs, and only while it is trusted."""
    assert decide(LEAF, GOOD, authority, NOW) == decision


def test_intermediate_that_ends_first() -> None:
    """A leaf is due when what signed it ends soon, for then nobody accepts it any more."""
    short = certificate("intermediate", "root", end=2 * HOUR)
    authority = SeenAuthority(Bundle((ROOT,)), short, "kid-1")
    assert decide(LEAF, seen(above=short), authority, NOW) == Renew("2.0 h left, renewed from 8h on")


@settings(max_examples=60, deadline=None)
@given(
    begin=st.integers(-2000, 600).map(lambda minutes: timedelta(minutes=minutes)),
    life=st.sampled_from([24 * HOUR, 24 * HOUR + timedelta(minutes=1), 23 * HOUR, 25 * HOUR]),
    names=st.sets(st.sampled_from([*NAMES, "other.test"]), min_size=1),
    usages=st.sets(st.sampled_from(BOTH)),
    own_key=st.booleans(),
    own_root=st.booleans(),
    mode=st.sampled_from(["0600", "0640", "0644"]),
)
def test_any_leaf(
    *,
    begin: timedelta,
    life: timedelta,
    names: set[str],
    usages: set[str],
    own_key: bool,
    own_root: bool,
    mode: str,
) -> None:
    """A leaf stays exactly if everything is right, and the reason that is given is one that holds."""
    issuer = "intermediate" if own_root else "stranger"
    chain = leaf(names=sorted(names), usages=sorted(usages), issuer=issuer, begin=begin, life=life)
    key_file = SeenFile("root:root", mode)
    given_leaf = replace(GOOD, chain=chain, public_key=public("app" if own_key else "other"), key_file=key_file)
    faults = {
        "its key does not match": not own_key,
        "could be read by everybody": mode == "0644",
        "names differ": names != set(NAMES),
        "usage differs": usages != set(BOTH),
        ASTRAY: not own_root,
        "not valid before": begin > timedelta(minutes=5),
        "expired": begin + life <= timedelta(),
        "it was made to live": abs(life - 24 * HOUR) > timedelta(minutes=1),
    }
    decision = decide(LEAF, given_leaf, AUTHORITY, NOW)
    if isinstance(decision, Reissue):
        assert [fault for fault, holds in faults.items() if holds and fault in decision.reason]
        return
    assert not any(faults.values())
    assert isinstance(decision, Renew) == (begin + life <= 8 * HOUR)
    assert isinstance(decision, Settle) == (begin + life > 8 * HOUR and mode == "0640")


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # a broken one may be odd
@settings(max_examples=150, deadline=None, derandomize=True)
@given(position=st.integers(0, 400), value=st.integers(0, 255), key_text=st.text(max_size=20))
def test_broken_bytes(position: int, value: int, key_text: str) -> None:
    """Whatever bytes lie in the file, the answer is a decision."""
    head, _, body = leaf().partition("-----BEGIN CERTIFICATE-----\n")
    raw = bytearray(b64decode(body.partition("-----END")[0]))
    raw[position % len(raw)] = value
    broken = f"{head}-----BEGIN CERTIFICATE-----\n{b64encode(raw).decode()}\n-----END CERTIFICATE-----\n"
    assert isinstance(decide(LEAF, SeenLeaf(broken, key_text), AUTHORITY, NOW), Keep | Reissue)
