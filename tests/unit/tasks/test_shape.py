"""Tasks look as tasks should: verbs, with a sentence, never generators, and all of them can be rehearsed."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from phoenix import tasks

VERBS = {
    "announce", "apply", "check", "configure", "create", "deploy", "destroy", "export", "init", "install", "issue",
    "keep", "mount", "observe", "open", "prepare", "prove", "push", "register", "remove", "renew", "replace", "reset",
    "restore", "revert", "revoke", "seal", "serve", "set", "settle", "start", "stop", "switch", "withdraw", "write",
}  # fmt: skip


def modules() -> Iterator[Any]:
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
    """A task is public, takes Nornir's task first, and gives a result."""
    signature = inspect.signature(function)
    public = not function.__name__.startswith("_")
    helper = "changes" in signature.parameters or "run" not in signature.parameters
    return public and not helper and signature.return_annotation == "Result"


TASKS = {function.__name__: function for function in functions() if is_task(function)}


def test_there_are_tasks() -> None:
    """The rules below are about something."""
    assert {"create_guest", "init_ca", "push_trust", "issue_certificates", "configure_nginx"} <= set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_task(name: str) -> None:
    """A task is a verb with a sentence about it, and no generator: Nornir would report it done and never run it."""
    assert not inspect.isgeneratorfunction(TASKS[name])
    assert not inspect.iscoroutinefunction(TASKS[name])
    assert name.split("_", maxsplit=1)[0] in VERBS
    assert (TASKS[name].__doc__ or "").strip().endswith(".")


def test_no_generator_gives_a_result() -> None:
    """Whatever says that it gives a result is no generator."""
    lazy = [function for function in functions() if inspect.isgeneratorfunction(function)]
    assert [f.__name__ for f in lazy if inspect.signature(f).return_annotation == "Result"] == []


def test_every_module_says_its_place() -> None:
    """Each module of tasks begins with a sentence."""
    assert [module.__name__ for module in modules() if not module.__doc__] == []
