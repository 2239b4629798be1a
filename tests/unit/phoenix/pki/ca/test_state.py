"""A state of the authority is judged as a table: every way in which it can be absent, begun, damaged or outgrown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network

import pytest

from phoenix.conventions import CA_STATE
from phoenix.pki.ca.config import (
    ANNOUNCED,
    NEXT_PAIR,
    NEXT_ROOT,
    OLD_PAIR,
    OLD_ROOT,
    SETTLED,
    SWITCHED,
    SWITCHED_INTERMEDIATE,
    WITHDRAWN,
    Signing,
)
from phoenix.pki.ca.rotation import Kind, Phase, ahead, back, kind, phase
from phoenix.pki.ca.state import NEEDED, ROOT_KEY, SeenState, damage, outgrown, signing_root, too_old
from tests.unit.phoenix.pki.certificates import HOUR, NOW, certificate, public

ROOT, INTERMEDIATE = certificate("root", "root", end=9000 * HOUR), certificate("int", "root", end=900 * HOUR)
OTHER_ROOT, OTHER = certificate("root 2", "root 2", end=9000 * HOUR), certificate("int 2", "root 2", end=900 * HOUR)
SECOND = certificate("int 2", "root", end=900 * HOUR)


def config(signs: Signing) -> str:
    """The part of a ca.json that says what signs."""
    roots = [f"{CA_STATE}/{path}" for path in signs.roots]
    return json.dumps(
        {"root": roots, "crt": f"{CA_STATE}/{signs.certificate}", "key": f"{CA_STATE}/{signs.key}", "authority": {}}
    )


USUAL = SeenState(
    frozenset((*NEEDED, ROOT_KEY)),
    config(SETTLED),
    {OLD_ROOT: ROOT, OLD_PAIR[0]: INTERMEDIATE},
    {OLD_PAIR[1]: public("int")},
)
ROOT_NEXT = replace(
    USUAL,
    present=USUAL.present | {NEXT_ROOT, *NEXT_PAIR},
    certificates={**USUAL.certificates, NEXT_ROOT: OTHER_ROOT, NEXT_PAIR[0]: OTHER},
    public_keys={**USUAL.public_keys, NEXT_PAIR[1]: public("int 2")},
)
INTERMEDIATE_NEXT = replace(ROOT_NEXT, certificates={**USUAL.certificates, NEXT_ROOT: ROOT, NEXT_PAIR[0]: SECOND})
COPIED = replace(ROOT_NEXT, certificates={**ROOT_NEXT.certificates, OLD_ROOT: OTHER_ROOT, OLD_PAIR[0]: OTHER})


def without(*paths: str) -> SeenState:
    """The usual state, but for some files."""
    kept = {path: text for path, text in USUAL.certificates.items() if path not in paths}
    return replace(USUAL, present=USUAL.present - set(paths), certificates=kept)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (USUAL, ""),
        (without(ROOT_KEY), ""),
        (replace(ROOT_NEXT, config=config(SWITCHED)), ""),
        (replace(INTERMEDIATE_NEXT, config=config(SWITCHED_INTERMEDIATE)), ""),
        *((without(path), f"{path} missing") for path in NEEDED),
        (without("db", "config/ca.json"), "config/ca.json, db missing"),
        (replace(USUAL, config="{"), "config/ca.json cannot be read: it is not JSON"),
        (replace(USUAL, certificates={**USUAL.certificates, OLD_ROOT: "x"}), f"{OLD_ROOT} is no certificate"),
        (replace(USUAL, public_keys={OLD_PAIR[1]: public("root")}), f"{OLD_PAIR[1]} does not belong to {OLD_PAIR[0]}"),
        (replace(USUAL, public_keys={}), f"{OLD_PAIR[1]} is unreadable"),
        (replace(USUAL, certificates={**USUAL.certificates, OLD_ROOT: OTHER_ROOT}), f"{OLD_PAIR[0]} was not signed by"),
        (replace(USUAL, config=config(SWITCHED)), f"{NEXT_ROOT} is missing"),
        (replace(USUAL, present=USUAL.present | {".restore"}), "a restoration was interrupted"),
    ],
)
def test_damage(state: SeenState, said: str) -> None:
    """Each thing that is missing or wrong is named; a sound state has none."""
    problems = "; ".join(damage(state))
    assert said in problems
    assert bool(problems) == bool(said)


def test_absent_and_begun() -> None:
    """Nothing at all is absent; marks of making and giving up say that a further run goes on."""
    assert SeenState(frozenset()).absent
    assert not SeenState(frozenset({"config/ca.json"})).absent
    assert not SeenState(frozenset({".restore"})).absent
    assert SeenState(frozenset({".init"})).begun
    assert replace(USUAL, present=USUAL.present | {".reset"}).begun
    assert not USUAL.begun


ROTATION: list[tuple[SeenState, Signing, Phase, Kind | None]] = [
    (USUAL, SETTLED, Phase.IDLE, None),
    (ROOT_NEXT, SETTLED, Phase.PREPARED, "root"),
    (ROOT_NEXT, ANNOUNCED, Phase.ANNOUNCED, "root"),
    (ROOT_NEXT, SWITCHED, Phase.SWITCHED, "root"),
    (ROOT_NEXT, WITHDRAWN, Phase.WITHDRAWN, "root"),
    (COPIED, WITHDRAWN, Phase.WITHDRAWN, "root"),
    (COPIED, SETTLED, Phase.TIDYING, None),
    (INTERMEDIATE_NEXT, SETTLED, Phase.PREPARED, "intermediate"),
    (INTERMEDIATE_NEXT, SWITCHED_INTERMEDIATE, Phase.SWITCHED, "intermediate"),
]


@pytest.mark.parametrize(("state", "signs", "stands", "rotated"), ROTATION)
def test_rotation_is_told_from_files(state: SeenState, signs: Signing, stands: Phase, rotated: Kind | None) -> None:
    """Where a rotation stands, and of what, follows from the files alone, and every such state is sound."""
    assert (phase(state, signs), kind(state, signs)) == (stands, rotated)
    belongs = {**state.public_keys, OLD_PAIR[1]: public("int 2" if state is COPIED else "int")}
    assert damage(replace(state, config=config(signs), public_keys=belongs)) == ()


@pytest.mark.parametrize("rotated", ["root", "intermediate"])
def test_steps_lead_to_the_end_and_back(rotated: Kind) -> None:
    """Step by step a rotation comes to the usual files, and before anything is withdrawn it can be taken back."""
    state = {"root": ROOT_NEXT, "intermediate": INTERMEDIATE_NEXT}[rotated]
    signs, taken = SETTLED, []
    while (step := ahead(rotated, phase(state, signs))) not in (None, SETTLED):
        assert step is not None
        before, signs = signs, step
        taken.append(signs)
        if signs != WITHDRAWN:
            assert back(rotated, phase(state, signs)) == before
    assert taken == [ANNOUNCED, SWITCHED, WITHDRAWN] if rotated == "root" else [SWITCHED_INTERMEDIATE]
    assert back(rotated, Phase.WITHDRAWN) is None


def test_signing_root() -> None:
    """The root that signs is the one that the intermediate leads to, whichever stands first."""
    assert signing_root(ROOT_NEXT, ANNOUNCED) == OLD_ROOT
    assert signing_root(ROOT_NEXT, SWITCHED) == NEXT_ROOT


def test_outgrown() -> None:
    """A root without constraints is told from one that fits."""
    assert "no name constraints" in (outgrown(ROOT, ("lab.test",), (IPv4Network("10.0.0.0/24"),)) or "")


@pytest.mark.parametrize(
    ("longest", "said"),
    [(800, None), (1000, "the intermediate has 37 days left"), (10_000, "the root has 375 days left")],
)
def test_too_old(longest: int, said: str | None) -> None:
    """What ends before a leaf would is named with the command that replaces it."""
    found = too_old(ROOT, INTERMEDIATE, timedelta(hours=longest), NOW)
    assert found is None if said is None else said in (found or "")
