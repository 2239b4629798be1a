"""Pydantic's validation errors → messages in the terms of the inventory."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from phoenix.estate.document import Location
from phoenix.estate.expectations import expectation, hint
from phoenix.estate.problems import unknown_key

MAX_SHOWN = 60
"""Characters of a wrong value that a message quotes."""


def explain(
    error: ValidationError, model: type[BaseModel], injected: tuple[str, ...]
) -> Iterator[tuple[Location, str]]:
    """Convert each validation error to its path and one sentence: the wrong value and what is expected.

    `injected` are keys that the loader adds; they are not suggested at the top level.
    """
    details = error.errors(include_url=False)
    inner = {detail["loc"][:-1] for detail in details}
    for detail in details:
        if detail["type"] == "too_short" and detail["loc"] in inner:
            continue  # it is short because its items are not valid, which is reported for each of them
        path = tuple(part for part in detail["loc"] if part != "[key]")
        yield path, _sentence(detail, path, model, injected)


def _sentence(detail: Any, path: Location, model: type[BaseModel], injected: tuple[str, ...]) -> str:
    words = [part for part in path if isinstance(part, str)]
    key = words[-1] if words else ""
    if detail["type"] == "extra_forbidden":
        known = set(_model_at(model, path[:-1]).model_fields) - set(injected if len(path) == 1 else ())
        return unknown_key(key, known)
    expected = expectation(detail, words)
    if detail["type"] == "missing":
        return f"{('hostname' if key == 'address' else key)!r} is missing; expected {expected}"
    if "[key]" in detail["loc"]:
        return f"the name {_shown(key)} is not valid: expected {expected}"
    more = hint(detail["input"], expected)
    return f"{_shown(detail['input'])} is not valid: expected {expected}{more and f'; {more}'}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def _model_at(model: type[BaseModel], path: Location) -> type[BaseModel]:
    """Find the model of the value at a path below another model."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else model
        else:
            current = _inner(current)
        current = _unwrapped(current)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else model


def _unwrapped(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next(arg for arg in typing.get_args(annotation) if arg is not type(None))
    return annotation


def _inner(annotation: Any) -> Any:
    arguments = [arg for arg in typing.get_args(annotation) if arg is not Ellipsis]
    return arguments[-1] if arguments else annotation
