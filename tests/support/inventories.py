"""Inventories for tests: copies of the example inventory with edits."""

from __future__ import annotations

import re
import shutil
from functools import lru_cache
from pathlib import Path

import pytest

from phoenix.estate import Estate, InventoryError, Problem, load_estate
from tests.support.places import ROOT

EXAMPLE = ROOT / "inventory"


@lru_cache(maxsize=1)
def example() -> Estate:
    """Return the estate of the example inventory."""
    return load_estate(EXAMPLE)


class Copy:
    """A copy of the example inventory that can be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "inventory"
        shutil.copytree(EXAMPLE, self.folder)

    def file(self, name: str) -> Path:
        """Return the path of `hosts`, `groups` or `defaults`."""
        return self.folder / f"{name}.yaml"

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace text that occurs in a file exactly once."""
        text = self.file(name).read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}.yaml"
        self.file(name).write_text(text.replace(old, new), "utf-8")

    def line(self, name: str, marker: str) -> int:
        """Return the line in which a text ends that occurs in a file once; `text#2` is its second occurrence."""
        marker, _, nth = marker.partition("#")
        text = "\n" + self.file(name).read_text("utf-8")
        ends = [match.end() for match in re.finditer(re.escape(marker), text)] if marker else [1]
        assert nth or len(ends) == 1, f"{marker!r} occurs {len(ends)} times in {name}.yaml"
        return text[: ends[int(nth or 1) - 1]].rstrip("\n").count("\n") or 1

    def load(self) -> Estate:
        """Return the estate of the copy."""
        return load_estate(self.folder)

    def problems(self) -> tuple[Problem, ...]:
        """Return the problems for which the copy is refused."""
        with pytest.raises(InventoryError) as error:
            load_estate(self.folder)
        return error.value.problems
