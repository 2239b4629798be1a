"""Tasks look as tasks should: verbs with a sentence, never generators, and each of them a value or a function."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from phoenix import tasks
from phoenix.run import Converge, Planned
from phoenix.tasks.support.batch import ConvergeAhead

VERBS = {
    "announce", "apply", "check", "configure", "create", "deploy", "destroy", "export", "init", "install", "issue",
    "keep", "mount", "observe", "open", "prepare", "present", "prove", "push", "register", "remove", "renew", "replace",
    "reset", "restore", "revert", "revoke", "seal", "serve", "set", "settle", "start", "stop", "switch", "withdraw",
    "write",
}  # fmt: skip
VALUES = (Converge, Planned, ConvergeAhead)


def modules() -> Iterator[ModuleType]:
    """Every module of tasks."""
    for found in pkgutil.walk_packages(tasks.__path__, "phoenix.tasks."):
        yield importlib.import_module(found.name)


def functions() -> Iterator[Callable[..., Any]]:
    """Every function of tasks, each where it is defined."""
    for module in modules():
        for _, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__:
                yield function


def is_task(function: Callable[..., Any]) -> bool:
    """A task function is public, takes Nornir's task and the run first, and gives an outcome."""
    signature = inspect.signature(function)
    first = list(signature.parameters)[:2] == ["task", "run"]
    return not function.__name__.startswith("_") and first and signature.return_annotation == "Outcome"


def sentences(module: ModuleType) -> dict[str, str]:
    """The string below each assignment of a module, by the assigned name."""
    body = ast.parse(Path(str(module.__file__)).read_text("utf-8")).body
    return {
        above.targets[0].id: below.value.value
        for above, below in pairwise(body)
        if isinstance(above, ast.Assign) and isinstance(above.targets[0], ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


def values() -> Iterator[tuple[str, Any, str]]:
    """Every task that is a value, by its name in its module, with the sentence below it."""
    for module in modules():
        said = sentences(module)
        for name, value in vars(module).items():
            if isinstance(value, VALUES) and name.islower() and name in said:
                yield name, value, said[name]


FUNCTIONS = {function.__name__: function for function in functions() if is_task(function)}
TASK_VALUES = {name: (value, sentence) for name, value, sentence in values()}


def test_there_are_tasks() -> None:
    """The rules below are about real tasks."""
    assert {"init_ca", "prove_routes", "check_access"} <= set(FUNCTIONS)
    assert {"create_guest", "push_trust", "issue_certificates", "configure_nginx", "apply_firewall"} <= set(TASK_VALUES)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_task_function(name: str) -> None:
    """A task function is a verb with a sentence, and no generator: Nornir would report it done and never run it."""
    assert not inspect.isgeneratorfunction(FUNCTIONS[name])
    assert not inspect.iscoroutinefunction(FUNCTIONS[name])
    assert name.split("_", maxsplit=1)[0] in VERBS
    assert (FUNCTIONS[name].__doc__ or "").strip().endswith(".")


@pytest.mark.parametrize("name", TASK_VALUES)
def test_task_value(name: str) -> None:
    """A task that is a value is called what its record says, is a verb, and has a sentence below it."""
    value, sentence = TASK_VALUES[name]
    assert value.__name__ == name
    assert name.split("_", maxsplit=1)[0] in VERBS
    assert sentence.strip().endswith(".")


def test_no_generator_gives_a_result() -> None:
    """A function that promises an outcome is no generator."""
    lazy = [function for function in functions() if inspect.isgeneratorfunction(function)]
    assert [f.__name__ for f in lazy if inspect.signature(f).return_annotation == "Outcome"] == []


def test_every_module_states_its_place() -> None:
    """Each module of tasks begins with a sentence."""
    assert [module.__name__ for module in modules() if not module.__doc__] == []
