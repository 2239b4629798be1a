"""The lab refuses what the real Proxmox VE 8.4 node refused, with the same words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fakepve", reason="the lab's extra is not installed")

from tests.support.lab_pve import make, serving
from tests.support.recorded_situation import situation
from tests.support.recordings import errors, sessions
from tests.support.replay import Replay, ReplayPve


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Replay]:
    """Run a server with the guests of the recordings; guest 914 is locked by a backup."""
    pve = make(tmp_path, ReplayPve)
    with serving(pve) as client:
        replay = Replay(pve, client, situation(next(s for s in sessions() if str(s) == "clean4-1")))
        pve.snapshot_lock(914, "backup")
        yield replay
        replay.finish()


def test_lab_refuses_as_recorded(deployed: Replay) -> None:
    """Each line of errors.txt, in order: status, reason, and the whole body."""
    assert [f"{refused}: {text}" for refused in errors() for text in deployed.repeat(refused)] == []
