"""Errors that reach a person have one base: PhoenixError."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping

import pytest

from tests.unit.conventions.source import EVERYTHING, Module, modules

OWN_PROGRAMS = "raised and caught in a program that runs inside the lab, with no PhoenixError there"
EXEMPT = {
    "CommandError": OWN_PROGRAMS,
    "SpecError": OWN_PROGRAMS,
    "UnusableRuleError": "skips one rule, as Proxmox does; caught where the rule is read",
    "AgentError": OWN_PROGRAMS,
    "Refusal": OWN_PROGRAMS,
}
"""Exceptions without the base, each with the reason."""
BUILTIN = {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
}


def bases(found: tuple[Module, ...]) -> dict[str, list[str]]:
    """The classes of some modules with the names of their bases."""
    return {node.name: [*map(_name, node.bases)] for module in found for node in classes(module.tree)}


def classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    """The classes of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def ancestors(name: str, known: Mapping[str, list[str]]) -> set[str]:
    """The names that a class derives from."""
    return {name}.union(*(ancestors(base, known) for base in known.get(name, ())))


def foreign_errors(found: tuple[Module, ...]) -> list[str]:
    """The exceptions that do not derive from PhoenixError."""
    known = bases(found)
    families = {name: ancestors(name, known) for name in known}
    return sorted(name for name, family in families.items() if family & BUILTIN and "PhoenixError" not in family)


def _name(base: ast.expr) -> str:
    return ast.unparse(base).partition("[")[0].rpartition(".")[2]


def test_errors_have_one_base() -> None:
    """Every exception of the product derives from PhoenixError, except those listed with a reason."""
    assert foreign_errors(modules(*EVERYTHING)) == sorted(EXEMPT)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("class A(Exception): pass", ["A"]),
        ("class A(ValueError): pass\nclass B(A): pass", ["A", "B"]),
        ("class PhoenixError(Exception): pass\nclass A(PhoenixError): pass\nclass B(A): pass", []),
        ("class PhoenixError(Exception): pass\nclass A(errors.PhoenixError, ValueError): pass", []),
        ("class A(Base[int]): pass", []),
    ],
)
def test_errors_are_found(code: str, found: list[str]) -> None:
    """The rule follows bases through the modules, and leaves other classes alone."""
    assert foreign_errors((Module("x.py", ast.parse(code)),)) == found
