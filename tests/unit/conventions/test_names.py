"""Names are distinct: no two public types share one, and no module is named like another one level away."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import pytest

from tests.unit.conventions.source import EVERYTHING, Module, modules

MODULES = {
    "lab": "`phoenix lab` is a command, and commands are named by their subject",
    "artifacts": "`phoenix artifacts` is a command, too",
    "errors": "the errors of a subject derive from the base of the same name above",
    "pve": "the lab's Proxmox VE, and what the product knows of the real one",
    "converge": "run/converge.py: the tasks that use the resources of the folder; still to be renamed",
}
"""Modules that may be named like one a level away, each with the reason."""
TYPE_NAME = re.compile(r"[A-Z]+[a-z]\w*")
TYPE_VARIABLES = {"TypeVar", "ParamSpec", "TypeVarTuple"}


def public_types(tree: ast.Module) -> Iterator[str]:
    """Classes of a module, and names that are assigned types."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if TYPE_NAME.fullmatch(name):
                if not _is_type_variable(value):
                    yield name


def _is_type_variable(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) in TYPE_VARIABLES


def shared_types(found: Iterable[Module]) -> dict[str, list[str]]:
    """Type names that more than one module defines, with the modules."""
    where = defaultdict(list)
    for module in found:
        for name in public_types(module.tree):
            where[name].append(module.path)
    return {name: paths for name, paths in sorted(where.items()) if len(paths) > 1}


def shared_modules(paths: Iterable[str]) -> set[str]:
    """Names that a module or folder shares with its own folder, or with a module or folder beside that."""
    found = [PurePosixPath(path) for path in paths]
    places = {path.with_suffix("").parts for path in found if path.stem not in ("__init__", "__main__")}
    places |= {path.parent.parts for path in found}
    return {own for *above, own in places if own in above[-1:] or (len(above) > 1 and (*above[:-1], own) in places)}


def test_types() -> None:
    """No public type name is defined twice; rename one of them by the field's term."""
    assert shared_types(modules(*EVERYTHING)) == {}


def test_modules() -> None:
    """No module is named like its folder, or like a module or folder beside its folder."""
    assert shared_modules(placed(module.path) for module in modules(*EVERYTHING)) - MODULES.keys() == set()


def placed(path: str) -> str:
    """Where a module is in the package: the folders beside `phoenix` are parts of it."""
    return path if path.startswith("phoenix/") else f"phoenix/{path}"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("class A: pass\nclass _B: pass", ["A"]),
        ("Name = str | int\nNAME = 1\n_Name = str", ["Name"]),
        ("T = TypeVar('T')\nHostT = TypeVar('HostT')", []),
        ("Kind = Literal['a']", ["Kind"]),
        ("def f():\n    class Inner: pass", []),
    ],
)
def test_types_are_found(code: str, found: list[str]) -> None:
    """Classes and aliases are types; constants, type variables and private names are not counted."""
    assert list(public_types(ast.parse(code))) == found


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (("a/plan.py", "a/b/plan.py"), {"plan"}),
        (("a/plan/__init__.py", "a/b/plan.py"), {"plan"}),
        (("a/plan.py", "a/b/c/plan.py"), set()),
        (("a/b/plan.py", "a/c/plan.py"), set()),
        (("a/plan/plan.py",), {"plan"}),
        (("a/__init__.py", "a/b/__init__.py"), set()),
    ],
)
def test_modules_are_found(paths: tuple[str, ...], found: set[str]) -> None:
    """A module clashes with one in the folder above and with its own folder, not with one in another folder."""
    assert shared_modules(paths) == found


def test_shared_types_are_found() -> None:
    """Two modules that define one name are named."""
    first, second = (Module(path, ast.parse("class Plan: pass")) for path in ("a.py", "b.py"))
    assert shared_types((first, second)) == {"Plan": ["a.py", "b.py"]}
