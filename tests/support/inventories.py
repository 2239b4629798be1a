"""Inventories for tests: the repository's own, with a few words exchanged."""

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
    """The repository's own inventory."""
    return load_estate(EXAMPLE)


class Copy:
    """A copy of the example inventory that can be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "inventory"
        shutil.copytree(EXAMPLE, self.folder)

    def file(self, name: str) -> Path:
        """One of `hosts`, `groups`, `defaults`."""
        return self.folder / f"{name}.yaml"

    def edit(self, name: str, old: str, new: str) -> None:
        """Exchange text that stands in a file exactly once."""
        text = self.file(name).read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}.yaml"
        self.file(name).write_text(text.replace(old, new), "utf-8")

    def line(self, name: str, marker: str) -> int:
        """The line in which a text ends that stands in a file once; `text#2` is its second place."""
        marker, _, nth = marker.partition("#")
        text = "\n" + self.file(name).read_text("utf-8")
        ends = [found.end() for found in re.finditer(re.escape(marker), text)] if marker else [1]
        assert nth or len(ends) == 1, f"{marker!r} stands {len(ends)} times in {name}.yaml"
        return text[: ends[int(nth or 1) - 1]].rstrip("\n").count("\n") or 1

    def load(self) -> Estate:
        """The estate of the copy."""
        return load_estate(self.folder)

    def problems(self) -> tuple[Problem, ...]:
        """Why the copy is refused."""
        with pytest.raises(InventoryError) as refused:
            load_estate(self.folder)
        return refused.value.problems
