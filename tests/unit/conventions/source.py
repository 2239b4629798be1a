"""The source of the product for the tests of its conventions: modules as syntax trees, and exemptions with reasons."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.support.places import ROOT

PRODUCT = ("phoenix", "tasks", "runbooks")
EVERYTHING = (*PRODUCT, "lab")


@dataclass(frozen=True)
class Module:
    """A module: its path below the repository, and its syntax tree."""

    path: str
    tree: ast.Module


@dataclass(frozen=True)
class Finding:
    """A place that breaks a convention: `text` identifies it in its file, the line is for the reader."""

    path: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


Exemptions = Mapping[tuple[str, str], str]
"""Accepted findings by path and text, each with the reason."""
Rule = Callable[[ast.Module], Iterator[tuple[ast.AST, str]]]
"""Finds the nodes of a module that break a convention, each with its text."""


def files(*folders: str) -> Iterator[Path]:
    """Every file below some folders, each once: folders that are links are another folder's."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not any(one.is_symlink() for one in (path, *path.parents)):
                yield path


@lru_cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Every module below some folders."""
    return tuple(
        Module(str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8")))
        for path in files(*folders)
        if path.suffix == ".py"
    )


def findings(rule: Rule, *folders: str) -> list[Finding]:
    """Every place below some folders that breaks a convention."""
    return [
        Finding(module.path, text, getattr(node, "lineno", 0))
        for module in modules(*folders)
        for node, text in rule(module.tree)
    ]


def unexplained(found: list[Finding], exempt: Exemptions) -> list[str]:
    """The findings without a reason."""
    return [str(one) for one in found if (one.path, one.text) not in exempt]


def stale(found: list[Finding], exempt: Exemptions) -> list[str]:
    """The exemptions of which there is no finding any more; remove them."""
    present = {(one.path, one.text) for one in found}
    return [f"{path}: {text}" for path, text in exempt if (path, text) not in present]


def broken_by(rule: Rule, code: str) -> list[str]:
    """The texts of what a rule finds in some code."""
    return [text for _, text in rule(ast.parse(code))]


def literals(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every string literal of a module that is no docstring, parts of f-strings included."""
    described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
            yield node
