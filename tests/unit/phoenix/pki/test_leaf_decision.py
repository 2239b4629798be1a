"""The decision about a leaf, as a table: keep, fix permissions, renew or reissue, each with its reason."""

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
from phoenix.pki.leaf_decision import (
    Decision,
    FixPermissions,
    Keep,
    LeafFault,
    Reissue,
    Renew,
    SeenFile,
    SeenLeaf,
    decide,
)
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
    """A good leaf with some differences."""
    return replace(GOOD, chain=leaf(**different))  # type: ignore[arg-type]  # the fields of leaf()


WILDCARD = ("*.lab.test", "lab.test")


@pytest.mark.parametrize(
    ("desired", "present", "reason"),
    [
        ((*WILDCARD, "a.lab.test"), WILDCARD, None),
        (WILDCARD, (*WILDCARD, "a.lab.test"), None),
        ((*WILDCARD, "a.b.lab.test"), WILDCARD, "missing a.b.lab.test"),
        ((*WILDCARD, "a.old.test"), WILDCARD, "missing a.old.test"),
        (WILDCARD, (*WILDCARD, "a.old.test"), "surplus a.old.test"),
        (WILDCARD, ("lab.test", "a.lab.test"), "missing *.lab.test"),
        (("a.lab.test",), ("*.lab.test",), "surplus *.lab.test"),
    ],
)
def test_wildcard(desired: tuple[str, ...], present: tuple[str, ...], reason: str | None) -> None:
    """A name that a wildcard covers causes no reissue; one that none covers does, as does a wildcard that is absent."""
    decision = decide(replace(LEAF, dns=desired), seen(names=present), AUTHORITY, NOW)
    assert decision == (Reissue(LeafFault.NAMES, f"names differ: {reason}") if reason else Keep())


OTHER_ISSUER = Reissue(LeafFault.ISSUER, "it was signed by a retired intermediate")
OTHER_PROVISIONER = Reissue(LeafFault.PROVISIONER, "the provisioner key that issued it was replaced")
OTHER_ROOT = Reissue(LeafFault.ROOT, "its chain does not lead to the estate's root")


@pytest.mark.parametrize(
    ("observed", "decision"),
    [
        (GOOD, Keep()),
        (replace(GOOD, public_key=f"\n{public('app')}\n"), Keep()),
        (seen(names=reversed(NAMES), addresses=reversed(ADDRESSES)), Keep()),
        (replace(GOOD, chain=f"{GOOD.chain}{ROOT}"), Keep()),
        (replace(GOOD, certificate_file=None, key_file=None), Keep()),
        # Absent and unreadable
        (SeenLeaf(None, None), Reissue(LeafFault.ABSENT, "absent")),
        (SeenLeaf(None, public("app")), Reissue(LeafFault.ABSENT, "absent")),
        (SeenLeaf("", public("app")), Reissue(LeafFault.ABSENT, "absent")),
        (replace(GOOD, chain="no certificate"), Reissue(LeafFault.UNREADABLE, "unreadable")),
        (replace(GOOD, chain=leaf()[:200]), Reissue(LeafFault.UNREADABLE, "unreadable")),
        # The key
        (replace(GOOD, public_key=None), Reissue(LeafFault.KEY, "its key is absent or unreadable")),
        (replace(GOOD, public_key=""), Reissue(LeafFault.KEY, "its key is absent or unreadable")),
        (replace(GOOD, public_key=public("other")), Reissue(LeafFault.KEY, "its key does not match")),
        (
            replace(seen(subject="rsa app"), public_key=public("rsa app")),
            Reissue(LeafFault.KEY, "its key is RSA 2048, should be EC P-256"),
        ),
        (
            replace(seen(subject="p384 app"), public_key=public("p384 app")),
            Reissue(LeafFault.KEY, "its key is EC P-384, should be EC P-256"),
        ),
        (
            replace(GOOD, key_file=SeenFile("root:root", "0644")),
            Reissue(LeafFault.KEY, "its key is open to other users (mode 0644)"),
        ),
        # Names, by kind
        (seen(names=NAMES[:1]), Reissue(LeafFault.NAMES, "names differ: missing localhost")),
        (seen(names=(*NAMES, "b.test")), Reissue(LeafFault.NAMES, "names differ: surplus b.test")),
        (seen(addresses=ADDRESSES[:1]), Reissue(LeafFault.NAMES, "names differ: missing 127.0.0.1")),
        (
            seen(names=(*NAMES, "127.0.0.1"), addresses=ADDRESSES[:1]),
            Reissue(LeafFault.NAMES, "names differ: missing 127.0.0.1; surplus 127.0.0.1"),
        ),
        (
            seen(names=("old.test",), addresses=()),
            Reissue(
                LeafFault.NAMES, "names differ: missing 10.0.0.20, 127.0.0.1, app.lab.test, localhost; surplus old.test"
            ),
        ),
        (
            seen(names=(), addresses=()),
            Reissue(LeafFault.NAMES, "names differ: missing 10.0.0.20, 127.0.0.1, app.lab.test, localhost"),
        ),
        # Usage
        (seen(usages=("server",)), Reissue(LeafFault.USAGE, "usage differs: is serverAuth")),
        (seen(usages=()), Reissue(LeafFault.USAGE, "usage differs: is none")),
        # Issuer
        (seen(issuer="foreign"), OTHER_ROOT),
        (seen(above=""), OTHER_ROOT),
        (seen(issuer="next intermediate", above=NEXT_INTERMEDIATE), OTHER_ROOT),
        (seen(provisioner="kid-0"), OTHER_PROVISIONER),
        (seen(provisioner=""), OTHER_PROVISIONER),
        # Time
        (seen(begin=-25 * HOUR), Reissue(LeafFault.EXPIRED, "expired 2026-03-01 11:00 UTC")),
        (seen(begin=-24 * HOUR), Reissue(LeafFault.EXPIRED, "expired 2026-03-01 12:00 UTC")),
        (seen(begin=HOUR), Reissue(LeafFault.NOT_YET_VALID, "not valid before 2026-03-01 13:00 UTC: check the clocks")),
        (seen(begin=timedelta(minutes=4)), Keep()),
        (seen(life=48 * HOUR), Reissue(LeafFault.LIFETIME, "its lifetime is 2 d, the inventory says 1d")),
        (seen(life=12 * HOUR), Reissue(LeafFault.LIFETIME, "its lifetime is 12.0 h, the inventory says 1d")),
        (seen(life=24 * HOUR + timedelta(minutes=1)), Keep()),
        (seen(begin=-16 * HOUR), Renew("8.0 h left, renewal is due at 8h")),
        (seen(begin=-16 * HOUR + timedelta(minutes=1)), Keep()),
        (seen(begin=-23.5 * HOUR), Renew("30 min left, renewal is due at 8h")),
        (
            seen(above=certificate("intermediate", "root", end=HOUR)),
            OTHER_ISSUER,
        ),
        # The files
        (
            replace(GOOD, certificate_file=SeenFile("root:root", "0600")),
            FixPermissions("/tls/app.crt is root:root 0600, should be root:root 0644"),
        ),
        (
            replace(GOOD, key_file=SeenFile("app:app", "0640")),
            FixPermissions("/tls/app.key is app:app 0640, should be root:root 0600"),
        ),
    ],
)
def test_decision(observed: SeenLeaf, decision: Decision) -> None:
    """Each observed leaf leads to the decision in the table."""
    assert decide(LEAF, observed, AUTHORITY, NOW) == decision


@pytest.mark.parametrize(
    ("usages", "decision"),
    [(("client",), Keep()), (BOTH, Reissue(LeafFault.USAGE, "usage differs: is clientAuth, serverAuth"))],
)
def test_client(usages: tuple[str, ...], decision: Decision) -> None:
    """A client's leaf must not be usable as a server's."""
    assert decide(CLIENT, seen(usages=usages), AUTHORITY, NOW) == decision


@pytest.mark.parametrize(
    ("authority", "decision"),
    [
        (None, OTHER_ROOT),
        (SeenAuthority(Bundle((certificate("other", "other"),))), OTHER_ROOT),
        (SeenAuthority(Bundle((ROOT,))), Keep()),
        (SeenAuthority(Bundle((ROOT, NEXT_ROOT)), INTERMEDIATE, "kid-1"), Keep()),
        (SeenAuthority(Bundle((NEXT_ROOT, ROOT)), INTERMEDIATE, "kid-1"), Keep()),
        (SeenAuthority(Bundle((ROOT, NEXT_ROOT)), NEXT_INTERMEDIATE, "kid-1"), OTHER_ISSUER),
        (SeenAuthority(Bundle((NEXT_ROOT,)), NEXT_INTERMEDIATE, "kid-1"), OTHER_ROOT),
        (SeenAuthority(Bundle((ROOT,)), INTERMEDIATE, "kid-2"), OTHER_PROVISIONER),
        (SeenAuthority(Bundle((certificate("root", "root", end=99_999 * HOUR),)), INTERMEDIATE, "kid-1"), Keep()),
    ],
)
def test_rotation(authority: SeenAuthority | None, decision: Decision) -> None:
    """During a rotation a leaf stays while its root is published and its intermediate signs."""
    assert decide(LEAF, GOOD, authority, NOW) == decision


PRECEDENCE: tuple[tuple[str, object, LeafFault], ...] = (
    ("subject", "p384 app", LeafFault.KEY),
    ("names", ("old.test",), LeafFault.NAMES),
    ("usages", ("client",), LeafFault.USAGE),
    ("begin", -50 * HOUR, LeafFault.EXPIRED),
    ("life", 49 * HOUR, LeafFault.LIFETIME),
    ("issuer", "foreign", LeafFault.ROOT),
    ("provisioner", "kid-0", LeafFault.PROVISIONER),
)


@pytest.mark.parametrize("first", range(len(PRECEDENCE)))
def test_precedence(first: int) -> None:
    """Of several faults, the first one of the table is reported."""
    decision = decide(LEAF, seen(**{name: value for name, value, _ in PRECEDENCE[first:]}), AUTHORITY, NOW)
    assert isinstance(decision, Reissue)
    assert decision.fault is PRECEDENCE[first][2]


def test_intermediate_that_ends_first() -> None:
    """A leaf is due when its intermediate expires soon, because the chain expires with it."""
    short = certificate("intermediate", "root", end=2 * HOUR)
    authority = SeenAuthority(Bundle((ROOT,)), short, "kid-1")
    assert decide(LEAF, seen(above=short), authority, NOW) == Renew("2.0 h left, renewal is due at 8h")


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
    """A leaf is kept exactly if it has no fault, and the reported fault is the first one of the table that holds."""
    issuer = "intermediate" if own_root else "foreign"
    chain = leaf(names=sorted(names), usages=sorted(usages), issuer=issuer, begin=begin, life=life)
    key_file = SeenFile("root:root", mode)
    observed = replace(GOOD, chain=chain, public_key=public("app" if own_key else "other"), key_file=key_file)
    faults = {
        LeafFault.KEY: not own_key or mode == "0644",
        LeafFault.NAMES: names != set(NAMES),
        LeafFault.USAGE: usages != set(BOTH),
        LeafFault.EXPIRED: begin + life <= timedelta(),
        LeafFault.NOT_YET_VALID: begin > timedelta(minutes=5),
        LeafFault.LIFETIME: abs(life - 24 * HOUR) > timedelta(minutes=1),
        LeafFault.ROOT: not own_root,
    }
    decision = decide(LEAF, observed, AUTHORITY, NOW)
    if isinstance(decision, Reissue):
        assert decision.fault == next(fault for fault, holds in faults.items() if holds)
        return
    assert not any(faults.values())
    assert isinstance(decision, Renew) == (begin + life <= 8 * HOUR)
    assert isinstance(decision, FixPermissions) == (begin + life > 8 * HOUR and mode == "0640")


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # a broken one may be odd
@settings(max_examples=150, deadline=None, derandomize=True)
@given(position=st.integers(0, 400), value=st.integers(0, 255), key_text=st.text(max_size=20))
def test_broken_bytes(position: int, value: int, key_text: str) -> None:
    """Any damaged certificate leads to a decision, never to an exception."""
    head, _, body = leaf().partition("-----BEGIN CERTIFICATE-----\n")
    raw = bytearray(b64decode(body.partition("-----END")[0]))
    raw[position % len(raw)] = value
    broken = f"{head}-----BEGIN CERTIFICATE-----\n{b64encode(raw).decode()}\n-----END CERTIFICATE-----\n"
    assert isinstance(decide(LEAF, SeenLeaf(broken, key_text), AUTHORITY, NOW), Keep | Reissue)
