"""YAML files as plain data plus the line of every key, so that a mistake can be shown where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from phoenix.estate.problems import InventoryError, Problem

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """One file of the inventory: its data, and for each path into it the line (from 1) where it stands."""

    name: str
    data: dict[str, Any]
    lines: dict[Location, int]

    def line(self, path: Location) -> int:
        """Find the line of a path, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: Location, where: str, message: str) -> Problem:
        """Make a problem that stands at a path of this file."""
        return Problem(self.name, self.line(path), where, message)


def read_document(path: Path) -> Document:
    """Read one YAML file whose top level is a mapping; InventoryError says where it is not."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InventoryError([Problem(str(path), 0, "", "file is missing; the inventory needs it")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InventoryError([Problem(str(path), 0, "", f"cannot be read: {error}")]) from None
    try:
        data = YAML(typ="safe", pure=True).load(text)
        node = YAML(typ="safe", pure=True).compose(text) if data is not None else None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        reason = " ".join(str(error.problem or error.context).split())
        raise InventoryError([Problem(str(path), line, "", f"is not valid YAML: {reason}")]) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InventoryError([Problem(str(path), 1, "", "must be a mapping of names to settings")])
    data = {str(key): value for key, value in data.items()}
    return Document(str(path), data, _lines(node))


def _lines(root: Node | None) -> dict[Location, int]:
    found: dict[Location, int] = {}

    def walk(node: Node, path: Location) -> None:
        if isinstance(node, MappingNode):
            for key, value in node.value:
                found[(*path, key.value)] = key.start_mark.line + 1
                walk(value, (*path, key.value))
        elif isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                found[(*path, index)] = item.start_mark.line + 1
                walk(item, (*path, index))

    if root is not None:
        walk(root, ())
    return found
