"""The CA's state, as a table: absent, interrupted, valid, damaged, or too small for the inventory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network

import pytest

from phoenix.pki.ca.config import (
    ANNOUNCED,
    NEXT_ROOT,
    OLD_PAIR,
    OLD_ROOT,
    SWITCHED,
    SWITCHED_INTERMEDIATE,
)
from phoenix.pki.ca.state import NEEDED, ROOT_KEY, SeenState, damage, signing_root, too_old, uncovered_names
from tests.unit.phoenix.pki.ca.states import (
    INTERMEDIATE,
    INTERMEDIATE_NEXT,
    OTHER_ROOT,
    ROOT,
    ROOT_NEXT,
    VALID,
    config,
)
from tests.unit.phoenix.pki.certificates import NOW, public
from tests.unit.phoenix.pki.chains import make, pem


def without(*paths: str) -> SeenState:
    """The settled state without some files."""
    kept = {path: text for path, text in VALID.certificates.items() if path not in paths}
    return replace(VALID, present=VALID.present - set(paths), certificates=kept)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (VALID, ""),
        (without(ROOT_KEY), ""),
        (replace(ROOT_NEXT, config=config(SWITCHED)), ""),
        (replace(INTERMEDIATE_NEXT, config=config(SWITCHED_INTERMEDIATE)), ""),
        *((without(path), f"{path} missing") for path in NEEDED),
        (without("db", "config/ca.json"), "config/ca.json, db missing"),
        (replace(VALID, config="{"), "config/ca.json cannot be read: it is not JSON"),
        (
            replace(VALID, certificates={**VALID.certificates, OLD_ROOT: "x"}),
            f"{OLD_ROOT} is no certificate",
        ),
        (
            replace(VALID, public_keys={OLD_PAIR[1]: public("root")}),
            f"{OLD_PAIR[1]} does not belong to {OLD_PAIR[0]}",
        ),
        (replace(VALID, public_keys={}), f"{OLD_PAIR[1]} is unreadable"),
        (
            replace(VALID, certificates={**VALID.certificates, OLD_ROOT: OTHER_ROOT}),
            f"{OLD_PAIR[0]} was not signed by",
        ),
        (replace(VALID, config=config(SWITCHED)), f"{NEXT_ROOT} is missing"),
        (replace(VALID, present=VALID.present | {".restore"}), "a restore was interrupted"),
    ],
)
def test_damage(state: SeenState, expected: str) -> None:
    """Each missing or wrong file is named; a valid state has no damage."""
    problems = "; ".join(damage(state))
    assert expected in problems
    assert bool(problems) == bool(expected)


def test_absent_and_interrupted() -> None:
    """A state without any file is absent; the marks of creation and reset show interrupted work."""
    assert SeenState(frozenset()).absent
    assert not SeenState(frozenset({"config/ca.json"})).absent
    assert not SeenState(frozenset({".restore"})).absent
    assert SeenState(frozenset({".init"})).begun
    assert replace(VALID, present=VALID.present | {".reset"}).begun
    assert not VALID.begun


def test_signing_root() -> None:
    """The signing root is the issuer of the signing intermediate, in any order of the roots."""
    assert signing_root(ROOT_NEXT, ANNOUNCED) == OLD_ROOT
    assert signing_root(ROOT_NEXT, SWITCHED) == NEXT_ROOT


def test_root_without_constraints() -> None:
    """A root without name constraints is reported, because it may sign for anything."""
    assert "no name constraints" in (uncovered_names(ROOT, ("lab.test",), (IPv4Network("10.0.0.0/24"),)) or "")


@pytest.mark.parametrize(
    ("domains", "network", "uncovered"),
    [
        (("lab.test",), "10.0.0.0/24", None),
        (("lab.test",), "10.0.0.128/25", None),
        (("lab.test", "old.test"), "10.0.0.0/24", "old.test"),
        (("lab.test",), "10.0.0.0/16", "10.0.0.0/16"),
        (("old.test",), "10.1.0.0/24", "old.test, 10.1.0.0/24"),
    ],
)
def test_uncovered_names(domains: tuple[str, ...], network: str, uncovered: str | None) -> None:
    """Domains and networks outside the root's name constraints are named."""
    root = pem([make("root", "root", depth=1, within=True)])
    assert uncovered_names(root, domains, (IPv4Network(network),)) == uncovered


@pytest.mark.parametrize(
    ("longest", "expected"),
    [(800, None), (1000, "the intermediate has 37 days left"), (10_000, "the root has 375 days left")],
)
def test_too_old(longest: int, expected: str | None) -> None:
    """A root or intermediate that expires before a new leaf is named, with the command that replaces it."""
    problem = too_old(ROOT, INTERMEDIATE, timedelta(hours=longest), NOW)
    assert problem is None if expected is None else expected in (problem or "")
