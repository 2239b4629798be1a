"""Compares an answer of the lab with a recorded one: status, shape, and the values of configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.recordings import Exchange

_IDENTITIES = ("vmid", "volid", "storage", "key", "pos", "name", "cidr", "group", "node")
_RANDOM = ("digest", "meta", "vmgenid", "smbios1")


def differences(exchange: Exchange, body: Any) -> Iterator[str]:
    """Yield what differs between a recorded and another answer with the same status."""
    if exchange.status != 200:
        if body != exchange.answer:
            yield f"{body} instead of {exchange.answer}"
        return
    expected, present = exchange.data, body["data"]
    if _is_configuration(exchange.place) and exchange.method == "GET":
        expected, present = _plain(expected), _plain(present)
    elif "/tasks/" in exchange.place:
        expected, present = _task(expected), _task(present)
    else:
        expected, present = shape(expected), shape(present)
    if expected != present:
        yield _explain(expected, present)


def _explain(expected: Any, present: Any) -> str:
    if isinstance(expected, dict) and isinstance(present, dict):
        keys = [key for key in {**expected, **present} if expected.get(key) != present.get(key)]
        return ", ".join(f"{key}: {present.get(key)!r} instead of {expected.get(key)!r}" for key in keys)
    return f"{present!r} instead of {expected!r}"


def _is_configuration(place: str) -> bool:
    return "/firewall/" in place or place.endswith(("/config", "/pending", "/dns", "/permissions"))


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task did, and the shape of the rest."""
    return {**shape(task), **{key: task[key] for key in ("exitstatus", "id", "status", "type", "user") if key in task}}


def _plain(value: Any) -> Any:
    """Return a configuration without what is different in every node; a list with names has no order."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in _RANDOM}
    if isinstance(value, list):
        return {_identity(entry): _plain(entry) for entry in value if entry.get("key") not in _RANDOM}
    return value


def shape(value: Any) -> Any:
    """Return the keys and JSON types of an answer; entries of a list by their identity."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return {_identity(entry): shape(entry) for entry in value}
    return "number" if isinstance(value, int | float) else type(value).__name__


def _identity(entry: Any) -> str:
    return next((f"{key} {entry[key]}" for key in _IDENTITIES if key in entry), str(entry))
