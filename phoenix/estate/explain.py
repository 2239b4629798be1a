"""Pydantic's complaints in the words of somebody who writes inventories."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from phoenix.estate.document import Location
from phoenix.estate.problems import nearest

SHOWN = 60
EXPECTED = {
    "vmid": "a guest id, a number from 100 to 999999999",
    "mac": 'six pairs of hexadecimal digits in quotes, such as "52:54:00:AA:BB:CA"',
    "owner": 'the ids inside the guest in quotes, such as "0:0"',
    "mode": 'an octal mode in quotes, such as "0750"',
    "zone": "a DNS name in lower case, such as internal.example.org",
    "name": "a DNS label: lower-case letters, digits and hyphens, at most 63",
    "address": "an IPv4 address as hostname, such as 10.0.0.10",
    "image": "an image with a tag or digest, such as qdrant/qdrant:v1.12.4",
    "ports": 'published ports in quotes, such as "9443" or "127.0.0.1:9002:9001"',
    "port": "a port number from 1 to 65535",
    "health": "a path that begins with /",
}


def explain(
    error: ValidationError, model: type[BaseModel], injected: tuple[str, ...]
) -> Iterator[tuple[Location, str]]:
    """Turn each complaint into its path and one sentence that says what is wrong and what would be right."""
    for detail in error.errors(include_url=False):
        path = tuple(part for part in detail["loc"] if part != "[key]")
        yield path, _sentence(detail, path, model, injected)


def _sentence(detail: Any, path: Location, model: type[BaseModel], injected: tuple[str, ...]) -> str:
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    match detail["type"]:
        case "extra_forbidden":
            known = set(_model_at(model, path[:-1]).model_fields) - set(injected if len(path) == 1 else ())
            return f"unknown key {path[-1]!r}; {nearest(str(path[-1]), known)}"
        case "missing":
            missing = "hostname" if key == "address" else key
            return f"{missing!r} is missing; expected {EXPECTED.get(key, _wanted(detail))}"
        case "string_pattern_mismatch" if "[key]" in detail["loc"]:
            return f"{key!r} is not {EXPECTED['name']}"
    expected = EXPECTED.get(key)
    wanted = f"expected {expected}" if expected else _wanted(detail)
    return f"{_shown(detail['input'])} is not valid: {wanted}"


def _wanted(detail: Any) -> str:
    message = str(detail["msg"])
    return "a value" if detail["type"] == "missing" else message[:1].lower() + message[1:]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _model_at(model: type[BaseModel], path: Location) -> type[BaseModel]:
    """Find the model that describes what stands at a path below another model."""
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
