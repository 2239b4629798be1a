"""Every module says what it is for, and no code needs an assertion to know a type."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.unit.conventions.source import (
    EVERYTHING,
    Exemptions,
    broken_by,
    findings,
    modules,
    stale,
    unexplained,
)

ASSERTED: Exemptions = {
    ("phoenix/artifacts/golang.py", "assert isinstance(module, GoModule)"): "a fallback has one of two types",
    (
        "phoenix/estate/document.py",
        "assert node is None or isinstance(node, Node)",
    ): "ruamel.yaml does not say what it composes",
    (
        "phoenix/pve/firewall/proof/permissions.py",
        "assert isinstance(host, Guest | Hypervisor)",
    ): "an estate's hosts are of three types, two of which take part in flows",
}
"""Assertions that are left; the list only gets shorter."""


def asserted_types(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Assertions that narrow a type."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and "isinstance(" in ast.unparse(node.test):
            yield node, ast.unparse(node)


def test_types_are_not_asserted() -> None:
    """No code asserts a type: a function that needs one takes it as a parameter."""
    found = findings(asserted_types, *EVERYTHING)
    assert unexplained(found, ASSERTED) == []
    assert stale(found, ASSERTED) == []


def test_modules_have_docstrings() -> None:
    """Every module begins with a sentence that says what it is for."""
    found = modules(*EVERYTHING)
    assert [module.path for module in found if not (ast.get_docstring(module.tree) or "").strip()] == []
    assert len(found) > 250


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("assert isinstance(x, int)", ["assert isinstance(x, int)"]),
        ("assert x is None or isinstance(x, int), 'no'", ["assert x is None or isinstance(x, int), 'no'"]),
        ("assert x is not None", []),
        ("if isinstance(x, int): pass", []),
    ],
)
def test_asserted_types_are_found(code: str, found: list[str]) -> None:
    """The rule finds assertions of a type, alone or in a longer condition."""
    assert broken_by(asserted_types, code) == found
