"""Edited copies of the example inventory, for tests that deploy another estate."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.places import ROOT


def inventory(folder: Path, *edits: tuple[str, str], file: str = "hosts.yaml") -> Path:
    """Copy the inventory and replace texts in one of its files; each must occur exactly once."""
    copy = folder / "inventory"
    if not copy.exists():
        shutil.copytree(ROOT / "inventory", copy)
    text = (copy / file).read_text("utf-8")
    for before, after in edits:
        assert text.count(before) == 1, f"{before!r} occurs {text.count(before)} times in {file}"
        text = text.replace(before, after)
    (copy / file).write_text(text, "utf-8")
    return copy
