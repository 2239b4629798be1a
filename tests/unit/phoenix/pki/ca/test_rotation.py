"""The progress of a rotation, read from the CA's files, and its steps in both directions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix.pki.ca.config import (
    ANNOUNCED,
    OLD_PAIR,
    SETTLED,
    SWITCHED,
    SWITCHED_INTERMEDIATE,
    WITHDRAWN,
    Signing,
)
from phoenix.pki.ca.rotation import (
    RotationPhase,
    RotationTarget,
    next_signing,
    phase,
    previous_signing,
    rotation_target,
)
from phoenix.pki.ca.state import SeenState, damage
from tests.unit.phoenix.pki.ca.states import COPIED, INTERMEDIATE_NEXT, ROOT_NEXT, VALID, config
from tests.unit.phoenix.pki.certificates import public

ROTATION: list[tuple[SeenState, Signing, RotationPhase, RotationTarget | None]] = [
    (VALID, SETTLED, RotationPhase.IDLE, None),
    (ROOT_NEXT, SETTLED, RotationPhase.PREPARED, "root"),
    (ROOT_NEXT, ANNOUNCED, RotationPhase.ANNOUNCED, "root"),
    (ROOT_NEXT, SWITCHED, RotationPhase.SWITCHED, "root"),
    (ROOT_NEXT, WITHDRAWN, RotationPhase.WITHDRAWN, "root"),
    (COPIED, WITHDRAWN, RotationPhase.WITHDRAWN, "root"),
    (COPIED, SETTLED, RotationPhase.TIDYING, None),
    (INTERMEDIATE_NEXT, SETTLED, RotationPhase.PREPARED, "intermediate"),
    (INTERMEDIATE_NEXT, SWITCHED_INTERMEDIATE, RotationPhase.SWITCHED, "intermediate"),
]


@pytest.mark.parametrize(("state", "signs", "expected", "target"), ROTATION)
def test_progress_from_files(
    state: SeenState, signs: Signing, expected: RotationPhase, target: RotationTarget | None
) -> None:
    """Phase and target of a rotation follow from the files alone, and each such state is valid."""
    assert (phase(state, signs), rotation_target(state, signs)) == (expected, target)
    belongs = {**state.public_keys, OLD_PAIR[1]: public("int 2" if state is COPIED else "int")}
    assert damage(replace(state, config=config(signs), public_keys=belongs)) == ()


@pytest.mark.parametrize("target", ["root", "intermediate"])
def test_steps_and_their_reversal(target: RotationTarget) -> None:
    """Each step leads to the next signing files, and is reversible until the old root is withdrawn."""
    state = {"root": ROOT_NEXT, "intermediate": INTERMEDIATE_NEXT}[target]
    signs, taken = SETTLED, []
    while (step := next_signing(target, phase(state, signs))) not in (None, SETTLED):
        assert step is not None
        before, signs = signs, step
        taken.append(signs)
        if signs != WITHDRAWN:
            assert previous_signing(target, phase(state, signs)) == before
    assert taken == ([ANNOUNCED, SWITCHED, WITHDRAWN] if target == "root" else [SWITCHED_INTERMEDIATE])
    assert previous_signing(target, RotationPhase.WITHDRAWN) is None
