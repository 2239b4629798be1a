"""The progress of a rotation, read from the CA's state; there is no journal that could disagree with it (ADR 11).

    idle → prepared → announced → switched → withdrawn → tidying → idle

An intermediate needs no new anchor, so its rotation skips `announced` and `withdrawn`.
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

RotationTarget = Literal["root", "intermediate"]
"""What a rotation replaces; that of a root replaces its intermediate as well."""


class RotationPhase(Enum):
    """The phases of a rotation; messages show the values."""

    IDLE = "there is no next set"
    PREPARED = "the next set exists and is not published"
    ANNOUNCED = "both roots are published"
    SWITCHED = "the next set signs, and both roots are published"
    WITHDRAWN = "the next set signs, and the old root is no longer published"
    TIDYING = "the next set has replaced the old one"


def phase(state: SeenState, signs: Signing) -> RotationPhase:
    """The phase by the files that exist and those that sign."""
    if signs == WITHDRAWN:
        return RotationPhase.WITHDRAWN
    if signs in (SWITCHED, SWITCHED_INTERMEDIATE):
        return RotationPhase.SWITCHED
    if signs == ANNOUNCED:
        return RotationPhase.ANNOUNCED
    if NEXT_PAIR[0] not in state.certificates:
        return RotationPhase.IDLE
    copied = state.certificates[NEXT_PAIR[0]] == state.certificates[OLD_PAIR[0]]
    return RotationPhase.TIDYING if copied else RotationPhase.PREPARED


def rotation_target(state: SeenState, signs: Signing) -> RotationTarget | None:
    """What is being rotated; None if nothing is, or if only tidying up is left."""
    if phase(state, signs) in (RotationPhase.IDLE, RotationPhase.TIDYING):
        return None
    if signs in (ANNOUNCED, SWITCHED, WITHDRAWN):
        return "root"
    if signs == SWITCHED_INTERMEDIATE:
        return "intermediate"
    return "intermediate" if state.certificates.get(NEXT_ROOT) == state.certificates.get(OLD_ROOT) else "root"


def next_signing(target: RotationTarget | None, now: RotationPhase) -> Signing | None:
    """What signs after the CA's next step, which every host must trust before; None if no step is due."""
    following = {
        ("root", RotationPhase.PREPARED): ANNOUNCED,
        ("root", RotationPhase.ANNOUNCED): SWITCHED,
        ("root", RotationPhase.SWITCHED): WITHDRAWN,
        ("root", RotationPhase.WITHDRAWN): SETTLED,
        ("intermediate", RotationPhase.PREPARED): SWITCHED_INTERMEDIATE,
        ("intermediate", RotationPhase.SWITCHED): SETTLED,
    }
    return following.get((target or "", now))


def previous_signing(target: RotationTarget | None, now: RotationPhase) -> Signing | None:
    """What signs after one step back; None if there is no way back: hosts no longer trust a withdrawn root."""
    before = {
        ("root", RotationPhase.SWITCHED): ANNOUNCED,
        ("root", RotationPhase.ANNOUNCED): SETTLED,
        ("intermediate", RotationPhase.SWITCHED): SETTLED,
    }
    return before.get((target or "", now))
