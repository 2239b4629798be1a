"""The preflight check reports every missing prerequisite of a machine at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phoenix.lab import preflight
from phoenix.lab.errors import LabError
from phoenix.lab.places import LabPlaces

pytestmark = pytest.mark.timeout(30)
TMPFS = Path("/dev/shm/phoenix-lab-preflight")


def test_everything_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing programs, each with its package, and missing root rights are reported together."""
    monkeypatch.setattr(preflight, "PROGRAMS", {"no-such-program": "its-package", "sh": "dash"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError) as refusal:
        preflight.check(LabPlaces(TMPFS, TMPFS))
    assert "programs are missing: no-such-program. Run: apt-get install its-package\n" in str(refusal.value)
    assert "dash" not in str(refusal.value)
    assert "not root" in str(refusal.value)


def test_unfit_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory on tmpfs is refused, and too little disk or memory is reported with the required amount."""
    monkeypatch.setattr(preflight, "_kernel", lambda: iter(()))
    monkeypatch.setattr(preflight, "PROGRAMS", {})
    monkeypatch.setattr(preflight, "DISK_FOR_LAB", 1 << 60)
    monkeypatch.setattr(preflight, "MEMORY", 1 << 60)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    report = "\n".join(preflight.missing(LabPlaces(TMPFS, TMPFS)))
    assert "is on tmpfs" in report
    assert "PHOENIX_LAB" in report
    assert "PHOENIX_CACHE" in report
    assert "the lab needs 1073741824" in report
    assert "of memory are available" in report


def test_without_bridge_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without br_netfilter the lab refuses to start, because it never runs unfiltered."""
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: "bridge-nf" not in str(path) and exists(path))
    assert any("br_netfilter" in problem for problem in preflight._kernel())


@pytest.mark.parametrize(("present", "wanted"), [("128\n", "8192"), ("9000\n", "9000\n")])
def test_limits_are_only_raised(tmp_path: Path, present: str, wanted: str) -> None:
    """A kernel setting that is high enough is unchanged; a lower one is raised."""
    setting = tmp_path / "max_user_instances"
    setting.write_text(present)
    preflight._raise_limit(setting, 8192)
    assert setting.read_text() == wanted
