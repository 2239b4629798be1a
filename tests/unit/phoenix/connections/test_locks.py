"""Locks of Proxmox VE: their texts, and the wait for them."""

from __future__ import annotations

import json
import time

import pytest

from phoenix.connections import locks
from phoenix.connections.locks import lock_in, repeat_while_locked
from phoenix.connections.waits import Waits
from tests.support.places import SHARED

RECORDED = SHARED / "oracles" / "real-pve-8.4"


@pytest.mark.parametrize(
    ("text", "lock"),
    [
        ("500 CT is locked (disk)", "lock (disk)"),
        ("VM is locked (snapshot-delete)", "lock (snapshot-delete)"),
        (
            "can't lock file '/run/lock/lxc/pve-config-914.lock' - got timeout",
            "lock file /run/lock/lxc/pve-config-914.lock",
        ),
        ("cfs-lock 'storage-nfs' error: got lock request timeout", "cluster lock storage-nfs"),
        ("error during cfs-locked 'file-user_cfg' operation: got lock request timeout", "cluster lock file-user_cfg"),
        ("VM quit/powerdown failed - got timeout", ""),
        ("unable to destroy CT 914 - container is running", ""),
    ],
)
def test_locks(text: str, lock: str) -> None:
    """A lock is found in exactly the texts that report one, with its name."""
    assert lock_in(text) == lock


def recorded_errors() -> set[str]:
    """The messages of all refused calls of the real Proxmox VE 8.4."""
    facts = json.loads((RECORDED / "facts.json").read_text("utf-8"))
    lines = (RECORDED / "errors.txt").read_text("utf-8").splitlines()
    bodies = [fact.get("body") for fact in facts] + [json.loads(line) for line in lines if line.startswith("{")]
    return {str(body["message"]).strip() for body in bodies if isinstance(body, dict) and body.get("message")}


@pytest.mark.skipif(not RECORDED.exists(), reason=f"{RECORDED} is not on this machine")
def test_recorded_locks() -> None:
    """Of the recorded errors of the real code, exactly those of locked guests report a lock."""
    errors = recorded_errors()
    assert {text for text in errors if lock_in(text)} == {"CT is locked (disk)", "CT is locked (backup)"}
    assert len(errors) > 10


@pytest.mark.parametrize(("locked", "done", "attempts"), [(0, True, 1), (2, True, 3), (99, False, None)])
def test_attempts(monkeypatch: pytest.MonkeyPatch, locked: int, done: bool, attempts: int | None) -> None:  # noqa: FBT001
    """An attempt is repeated while a lock is held, until the limit."""
    monkeypatch.setattr(locks, "LOCK_PAUSE", 0.01)
    answers = iter(["lock (disk)"] * locked + [""] * 2)
    made: list[float] = []

    def attempt() -> str:
        made.append(time.monotonic())
        return next(answers)

    limit = 30.0 if done else 0.1
    assert repeat_while_locked(Waits(), "CT 914", attempt, limit) is done
    assert attempts in (None, len(made))
    assert made[-1] - made[0] < 5
