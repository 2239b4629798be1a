"""Data instead of sentences: no text for people is looked at by code, and what two places need is written once."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from phoenix import conventions
from tests.support.places import ROOT
from tests.unit.repository.test_programs import sources, strings

DISPLAYED = {"title", "resource", "reason", "purpose", "note", "notes", "message", "detail", "label"}
"""Attributes that a person reads."""
SEARCHES = {
    *("startswith", "endswith", "split", "rsplit", "partition", "rpartition", "find", "index", "count"),
    *("removeprefix", "removesuffix", "splitlines"),
}
MIN_LENGTH = 6  # of a convention that is searched in other texts
COMMON_PORTS = {conventions.SSH_PORT, conventions.DNS_PORT, conventions.HTTP_PORT, conventions.HTTPS_PORT}
VALUES = [value for name, value in vars(conventions).items() if name.isupper()]
WORDS = [value for value in VALUES if isinstance(value, str) and len(value) >= MIN_LENGTH]
PORTS = {value for value in VALUES if isinstance(value, int)} - COMMON_PORTS
ALLOWED = ("directories.py: /var/lib/phoenix-lab",)
"""The lab's directory on the controller begins as the state directory of hosts does."""


def displayed(node: ast.AST | None) -> bool:
    """Tell whether an expression is an attribute that a person reads."""
    return isinstance(node, ast.Attribute) and node.attr in DISPLAYED


def decides_by_text(node: ast.AST) -> bool:
    """Tell whether an expression compares or searches such an attribute, or uses it as a key."""
    match node:
        case ast.Compare():
            return any(map(displayed, (node.left, *node.comparators)))
        case ast.Call(func=ast.Attribute(value=value, attr=attr)):
            return attr in SEARCHES and displayed(value)
        case ast.Call(func=ast.Name(id=name), args=[_, ast.Constant(), *_]):
            return name in {"getattr", "setattr", "hasattr"}
        case ast.Subscript(slice=key) | ast.DictComp(key=key) | ast.SetComp(elt=key):
            return displayed(key)
        case ast.Dict(keys=keys):
            return any(map(displayed, keys))
    return False


def sentences(source: str) -> list[int]:
    """The lines of a module that decide by text for people, or by an attribute that no type declares."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.expr) and decides_by_text(node)]


def repeated(source: str) -> Iterator[str]:
    """The texts and numbers of a module that are written in `phoenix.conventions`, too."""
    tree = ast.parse(source)
    for _, text in strings(tree):
        if any(word in text for word in WORDS) and not text.endswith(".j2"):
            yield text
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in PORTS:
            yield str(node.value)


@pytest.mark.parametrize(
    "source",
    [
        'found = [leaf for leaf in leaves if leaf.title == "certificate of web"]',
        'late = finding.reason.startswith("expired")',
        'address = mesh if flow.purpose == "names" else edge',
        "made = {write.title for write in writes}",
        "of = {change.title: change for change in changes}",
        "script = scripts[change.title]",
        'done = "proof" in record.notes',
        'changes = getattr(result, "changes", ())',
        'setattr(error, "made", made)',
    ],
)
def test_sentences_are_recognized(source: str) -> None:
    """Each way in which code decided by a text for people is found."""
    assert sentences(source) == [1]


@pytest.mark.parametrize(
    "source",
    [
        'late = finding.kind == "expired"',
        "print(change.title)",
        "changes = result.changes",
        "of = {change.key: change.title for change in changes}",
        "value = getattr(options, option.name)",
    ],
)
def test_data_is_no_sentence(source: str) -> None:
    """Typed fields are compared, and texts are shown, without a finding."""
    assert sentences(source) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('program = "/usr/local/lib/phoenix/renew-web"', ["/usr/local/lib/phoenix/renew-web"]),
        ('unit = f"phoenix-renew-{name}.timer"', ["phoenix-renew-X.timer"]),
        ("url = f'https://{name}:{9000}/'", ["9000"]),
        ("port = 8443", ["8443"]),
        ("program = f'{PROGRAMS}/renew-web'", []),
        ('template = render("step_ca/step-ca.service.j2")', []),
        ('"""Renewed by phoenix-renew-NAME."""', []),
    ],
)
def test_repetitions_are_recognized(source: str, found: list[str]) -> None:
    """A path, a unit or a port of the conventions is found, also within a text; docstrings and templates are not."""
    assert list(repeated(source)) == found


def test_no_decision_by_a_sentence() -> None:
    """The library and the tasks decide by types and keys, never by what a person reads."""
    found = [f"{path.relative_to(ROOT)}:{line}" for path in sources() for line in sentences(path.read_text())]
    assert found == []


def test_conventions_are_written_once() -> None:
    """A path, a unit name or a port that two parts must agree on is in `phoenix/conventions.py` alone."""
    found = [
        f"{path.name}: {text}"
        for path in sources()
        if path.name != "conventions.py"
        for text in repeated(path.read_text())
    ]
    assert found == [*ALLOWED]
