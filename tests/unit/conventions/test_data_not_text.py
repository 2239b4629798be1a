"""Titles, purposes and reasons are for people: code never decides by them; outcomes are types, not attributes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.unit.conventions.source import EVERYTHING, Exemptions, broken_by, findings, stale, unexplained

TEXTS = {"reason", "resource", "purpose", "title"}
"""Fields whose text is for people."""
OUTCOMES = {"changes", "notes", "changed", "made"}
"""Fields of typed outcomes: code that asks whether they are there does not know its types."""
LOOKUPS = {"get", "pop", "setdefault", "index", "count"}
DECISIONS: Exemptions = {}
ATTRIBUTES: Exemptions = {}


def is_text(node: ast.AST) -> bool:
    """Tell whether an expression is such a text, or a change as text."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str":
        return any("change" in ast.unparse(argument).lower() for argument in node.args)
    return isinstance(node, ast.Attribute) and node.attr in TEXTS


def decided_by_text(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Comparisons, matches, calls and lookups that use such a text as a value."""
    for node in ast.walk(tree):
        used: list[ast.AST | None] = []
        match node:
            case ast.Compare():
                used = [node.left, *node.comparators]
            case ast.Call(func=ast.Attribute(value=value, attr=name)):
                used = [value, *(node.args if name in LOOKUPS else ())]
            case ast.Subscript(slice=key) | ast.DictComp(key=key) | ast.SetComp(elt=key) | ast.Match(subject=key):
                used = [key]
            case ast.Dict(keys=keys) | ast.Set(elts=keys):
                used = [*keys]
        if any(is_text(one) for one in used if one):
            yield node, ast.unparse(node).splitlines()[0]


def untyped_outcomes(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Outcomes that are asked whether they have a field, and attributes set on an exception that is handled."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[_, ast.Constant(value=name), *_]):
                if name in OUTCOMES:
                    yield node, ast.unparse(node)
            case ast.ExceptHandler(name=str(name)):
                yield from _set_on(name, node)


def _set_on(name: str, handler: ast.ExceptHandler) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(handler):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), ctx=ast.Store()) if owner == name:
                yield node, ast.unparse(node)
            case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id=owner), *_]) if owner == name:
                yield node, ast.unparse(node)


def test_decisions() -> None:
    """No code compares, matches, parses or looks up a text for people; add a field with the value that decides."""
    found = findings(decided_by_text, *EVERYTHING)
    assert unexplained(found, DECISIONS) == []
    assert stale(found, DECISIONS) == []


def test_outcomes() -> None:
    """No code asks an outcome for a field by name, or sets an attribute on an exception; give the value a type."""
    found = findings(untyped_outcomes, *EVERYTHING)
    assert unexplained(found, ATTRIBUTES) == []
    assert stale(found, ATTRIBUTES) == []


@pytest.mark.parametrize(
    "code",
    [
        "x = flow.purpose == 'names'",
        "x = 'names' in flow.purpose",
        "x = change.resource in titles",
        "x = change.reason.startswith('expired')",
        "x = change.resource.removeprefix('file ')",
        "x = by_title[change.resource]",
        "x = by_title.get(change.resource)",
        "x = {change.resource: change for change in changes}",
        "x = {change.title for change in changes}",
        "x = {leaf.title: 1}",
        "match flow.purpose:\n    case 'names': pass",
        "x = str(change) in seen",
        "x = str(change).split()",
    ],
)
def test_decisions_are_found(code: str) -> None:
    """The rule finds each way of deciding by text."""
    assert broken_by(decided_by_text, code) != []


@pytest.mark.parametrize(
    "code",
    [
        "x = f'{change.verb} {change.resource}'",
        "print(change.reason)",
        "x = Change(leaf.title, 'issue', change.reason)",
        "x = sorted(rules, key=lambda rule: rule.purpose)",
        "x = [change.resource for change in changes]",
        "x = change.verb == 'create'",
        "x = 'already running' in str(error)",
        "x = str(change)",
    ],
)
def test_texts_may_be_shown(code: str) -> None:
    """Showing, passing and sorting a text is no decision, and neither is reading the words of another program."""
    assert broken_by(decided_by_text, code) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x = getattr(done, 'changes', ())", ["getattr(done, 'changes', ())"]),
        ("x = hasattr(done, 'notes')", ["hasattr(done, 'notes')"]),
        ("try: f()\nexcept E as error:\n    error.made = ()\n    raise", ["error.made"]),
        ("try: f()\nexcept E as error:\n    setattr(error, 'made', ())", ["setattr(error, 'made', ())"]),
        ("try: f()\nexcept E as error:\n    self.error = error", []),
        ("x = getattr(host, 'vmid', None)", []),
    ],
)
def test_untyped_outcomes_are_found(code: str, found: list[str]) -> None:
    """The rule finds outcomes that are asked by name, and exceptions that carry what was set on them."""
    assert broken_by(untyped_outcomes, code) == found
