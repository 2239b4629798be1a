"""YAML as data: both parsers must agree, because a file that one of them rejects is read by the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix.estate import document
from phoenix.estate.document import read_document
from phoenix.estate.problems import InventoryError
from tests.support.places import ROOT

SCALARS = (
    "yes", "on", "True", "~", "null", "0o17", "017", "0x1f", "1_000", "1:20", "1e3", ".inf", ".5", "+7", "-0", "=",
    "2026-01-31", "'quoted'", '"a\\tb\\u00e9"', "!!str 5", "|\n  two\n  lines\n", ">-\n  folded\n  text\n", "a: b",
    "[1, yes, {c: d}]", "text # comment", "", "ünï", "é\u2028x",
)  # fmt: skip


def read(path: Path) -> object:
    """Read the document, or its mistakes."""
    try:
        return read_document(path)
    except InventoryError as error:
        return [(problem.line, problem.message) for problem in error.problems]


def both(monkeypatch: pytest.MonkeyPatch, path: Path) -> tuple[object, object]:
    """Read by the parser in C, and by Python's parser."""
    fast = read(path)
    with monkeypatch.context() as patched:
        patched.setattr(document, "_compose_fast", lambda _text: None)
        return fast, read(path)


@pytest.mark.parametrize("scalar", SCALARS)
def test_same_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scalar: str) -> None:
    """Both parsers read the same value on the same lines for each notation."""
    path = tmp_path / "hosts.yaml"
    path.write_text(f"first: {scalar}\nlist:\n  - {scalar}\n", "utf-8")
    fast, slow = both(monkeypatch, path)
    assert fast == slow


@pytest.mark.parametrize("name", ["hosts", "groups", "defaults"])
def test_same_inventory(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Both parsers read the same from the example's files, and the parser in C accepts them."""
    path = ROOT / "inventory" / f"{name}.yaml"
    fast, slow = both(monkeypatch, path)
    assert fast == slow
    assert document._compose_fast(path.read_text("utf-8")) is not None


@pytest.mark.parametrize("text", ["[ " * 200_000, "- " * 200_000, "a: {" * 50_000])
def test_endless_nesting(tmp_path: Path, text: str) -> None:
    """Nesting that would crash the process is rejected like any other mistake."""
    path = tmp_path / "hosts.yaml"
    path.write_text(text, "utf-8")
    assert [message for _, message in read(path)] == ["is nested too deeply"]  # type: ignore[attr-defined]
