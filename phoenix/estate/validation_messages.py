"""Pydantic's validation errors → messages in the terms of the inventory."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from phoenix.estate import model as patterns
from phoenix.estate.document import Location
from phoenix.estate.problems import unknown_key

MAX_SHOWN = 60
"""Characters of a wrong value that a message quotes."""
LABEL = "a DNS label: lower-case letters, digits and hyphens, at most 63"
BY_KEY = {
    "vmid": "a guest id, a number from 100 to 999999999",
    "mac": 'six pairs of hexadecimal digits in quotes, such as "52:54:00:AA:BB:CA"',
    "owner": 'the ids inside the guest in quotes, such as "0:0"',
    "mode": 'an octal mode in quotes, such as "0750"',
    "zone": "a DNS name in lower case, such as internal.example.org",
    "hypervisor": "the name of its hypervisor",
    "address": "an IPv4 address as hostname, such as 10.0.0.10",
    "image": "an image with a tag or digest, such as qdrant/qdrant:v1.12.4",
    "ports": 'published ports in quotes, such as "9443" or "127.0.0.1:9002:9001"',
    "volumes": "volumes such as /persistent-storage/data:/data",
    "port": "a port number from 1 to 65535",
    "health": "a path that starts with /",
    "egress.ports": "port numbers from 1 to 65535",
    "purpose": "a few words of letters, digits, spaces and , . / ( ) -",
    "ostemplate": "a volume such as local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
    "disk_image": "a volume such as local:import/noble-server-cloudimg-amd64.qcow2",
    **dict.fromkeys(("root", "intermediate", "lifetime", "renew_before"), "a duration such as 15m, 24h, 7d or 10y"),
    "subnet": "a network such as 10.0.0.0/24, without host bits",
}
BY_PATTERN = {
    patterns.LABEL_PATTERN: LABEL,
    patterns.DOMAIN_PATTERN: "a DNS name in lower case, such as portainer.example.org",
    patterns.PATH_PATTERN: "an absolute path without spaces or a trailing slash, such as /srv/data",
    patterns.LINE_PATTERN: "one line of text without control characters",
    patterns.WORD_PATTERN: "a word of letters, digits and @ . _ + -",
    patterns.VARIABLE_PATTERN: "the name of an environment variable",
    patterns.DATASET_PATTERN: "a ZFS dataset such as tank/data",
}
BY_TYPE = {
    "string_type": "text; put it in quotes",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "bool_type": "true or false",
    "int_type": "a whole number",
}


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
    expected = _expected(detail, words)
    if detail["type"] == "missing":
        return f"{('hostname' if key == 'address' else key)!r} is missing; expected {expected}"
    if "[key]" in detail["loc"]:
        return f"the name {_shown(key)} is not valid: expected {expected}"
    return f"{_shown(detail['input'])} is not valid: expected {expected}"


def _expected(detail: Any, words: list[str]) -> str:
    """Describe the expected value: by the key if it has a description, else by pydantic's error."""
    if "[key]" not in detail["loc"]:
        for key in (".".join(words[-2:]), words[-1] if words else ""):
            if key in BY_KEY:
                return BY_KEY[key]
    pattern = detail.get("ctx", {}).get("pattern")
    if pattern in BY_PATTERN:
        return BY_PATTERN[pattern]
    if detail["type"] in BY_TYPE:
        return BY_TYPE[detail["type"]]
    message = str(detail["msg"])
    return "a value" if detail["type"] == "missing" else message.removeprefix("Input should be ")


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
