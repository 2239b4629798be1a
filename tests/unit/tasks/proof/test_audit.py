"""The audit asks again before it reports what may pass."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from phoenix.pki.audit.scan import Scan
from phoenix.tasks.proof.audit import PAUSES, Audit
from tests.support.inventories import example

LATE, DONE = Scan("traefik"), Scan("ollama", complete=True)


@pytest.mark.parametrize(
    ("name", "later", "slept"),
    [
        ("ollama", [], []),
        ("traefik", [DONE], [PAUSES[0]]),
        ("traefik", [LATE, LATE], [*PAUSES]),
    ],
)
def test_scanned_again(monkeypatch: pytest.MonkeyPatch, name: str, later: list[Scan], slept: list[float]) -> None:
    """A host whose scan has a finding that may pass is scanned again after pauses, a limited number of times."""
    scans = Audit({"ollama": DONE, "traefik": LATE})
    pauses: list[float] = []
    rest = iter(later)
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(scans, "observe_certificates", lambda *_: scans.scans.update({name: next(rest)}))
    task: Any = SimpleNamespace(host=SimpleNamespace(name=name))
    run: Any = SimpleNamespace(estate=example())
    scans.observe_again(task, run)
    assert pauses == slept
