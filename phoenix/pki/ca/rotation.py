"""How far a rotation has come, told from what lies in the authority's state: there is no journal that could be wrong.

    idle → prepared → announced → switched → withdrawn → tidying → idle

An intermediate has no anchor to announce or to withdraw, and skips those two.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

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
from phoenix.pki.ca.state import SeenState

Kind = Literal["root", "intermediate"]


class Phase(Enum):
    """Where a rotation stands."""

    IDLE = "there is no next set"
    PREPARED = "the next set is made, and nobody knows of it"
    ANNOUNCED = "hosts are being told to trust both roots"
    SWITCHED = "the next set signs, and both are trusted"
    WITHDRAWN = "the next set signs, and the old root is being withdrawn"
    TIDYING = "the next set has become the usual one"


def phase(state: SeenState, signs: Signing) -> Phase:
    """Where the rotation stands by the files that are there and those that sign."""
    if signs == WITHDRAWN:
        return Phase.WITHDRAWN
    if signs in (SWITCHED, SWITCHED_INTERMEDIATE):
        return Phase.SWITCHED
    if signs == ANNOUNCED:
        return Phase.ANNOUNCED
    if NEXT_PAIR[0] not in state.certificates:
        return Phase.IDLE
    same = state.certificates[NEXT_PAIR[0]] == state.certificates[OLD_PAIR[0]]
    return Phase.TIDYING if same else Phase.PREPARED


def kind(state: SeenState, signs: Signing) -> Kind | None:
    """What is being rotated; None if nothing is, or where it can no longer be told because it is done."""
    if phase(state, signs) in (Phase.IDLE, Phase.TIDYING):
        return None
    if signs in (ANNOUNCED, SWITCHED, WITHDRAWN):
        return "root"
    if signs == SWITCHED_INTERMEDIATE:
        return "intermediate"
    return "intermediate" if state.certificates.get(NEXT_ROOT) == state.certificates.get(OLD_ROOT) else "root"


def ahead(rotated: Kind | None, now: Phase) -> Signing | None:
    """What signs after the next step of the authority, before which everybody trusts it; None where none is due."""
    following = {
        ("root", Phase.PREPARED): ANNOUNCED,
        ("root", Phase.ANNOUNCED): SWITCHED,
        ("root", Phase.SWITCHED): WITHDRAWN,
        ("root", Phase.WITHDRAWN): SETTLED,
        ("intermediate", Phase.PREPARED): SWITCHED_INTERMEDIATE,
        ("intermediate", Phase.SWITCHED): SETTLED,
    }
    return following.get((rotated or "", now))


def back(rotated: Kind | None, now: Phase) -> Signing | None:
    """What signs one step back; None where there is none: what was withdrawn is trusted no more."""
    before = {
        ("root", Phase.SWITCHED): ANNOUNCED,
        ("root", Phase.ANNOUNCED): SETTLED,
        ("intermediate", Phase.SWITCHED): SETTLED,
    }
    return before.get((rotated or "", now))
