"""YAML files → plain data and the line of every key, so that a mistake is reported at its location.

Data is built here from YAML's nodes: an inventory has only text, numbers, booleans, lists, and mappings with text as
keys, each key once. Other scalars, such as dates, stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from phoenix.estate.problems import InventoryError, Problem

Location = tuple[str | int, ...]
CORE = "tag:yaml.org,2002:"
KNOWN_TAGS = {CORE + name for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge")}
TEXT_TAGS = {CORE + "str", CORE + "timestamp"}
MAX_VALUES = 100_000
"""Anchors that refer to anchors can expand a small file without limit."""
MAX_DEPTH, MAX_COLUMNS = 100, 4_000
"""Nesting of brackets, and columns, which limit every other nesting: deep nesting crashes the parser in C."""


@dataclass(frozen=True)
class Document:
    """One file of the inventory: its data, and the line (from 1) of each path into the data."""

    name: str
    data: dict[str, Any]
    lines: dict[Location, int]

    def line(self, path: Location) -> int:
        """Find the line of a path, or that of its nearest parent in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: Location, where: str, message: str) -> Problem:
        """Create a problem at a path of this file."""
        return Problem(self.name, self.line(path), where, message)


def read_document(path: Path) -> Document:
    """Read a YAML file that has a mapping at its top level; InventoryError lists its mistakes."""
    root = _compose(path)
    if root is None or (isinstance(root, ScalarNode) and root.tag == CORE + "null"):
        return Document(str(path), {}, {})
    builder = _Builder(str(path))
    try:
        data = builder.build(root, ())
    except RecursionError:
        raise InventoryError([Problem(str(path), 0, "", "is nested too deeply")]) from None
    if not isinstance(root, MappingNode) and not builder.problems:
        builder.reject(root, (), "must be a mapping of names to settings")
    if builder.problems:
        raise InventoryError(builder.problems)
    return Document(str(path), data, builder.lines)


def _compose(path: Path) -> Node | None:
    try:
        text = path.read_text(encoding="utf-8")
        node = _compose_fast(text) or YAML(typ="safe", pure=True).compose(text)
    except FileNotFoundError:
        raise InventoryError([Problem(str(path), 0, "", "file is missing; the inventory requires it")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InventoryError([Problem(str(path), 0, "", f"cannot be read: {error}")]) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        reason = " ".join(str(error.problem or error.context).split())
        raise InventoryError([Problem(str(path), line, "", f"is not valid YAML: {reason}")]) from None
    except (YAMLError, ValueError) as error:
        raise InventoryError(
            [Problem(str(path), 0, "", f"is not valid YAML: {' '.join(str(error).split())}")]
        ) from None
    except RecursionError:
        raise InventoryError([Problem(str(path), 0, "", "is nested too deeply")]) from None
    assert node is None or isinstance(node, Node)  # noqa: S101  # ruamel declares no type
    return node


def _compose_fast(text: str) -> Node | None:
    """Compose by the parser in C; None if it rejects the text, so that Python's parser reports the mistake."""
    flow = accumulate((1 if bracket in "[{" else -1 for bracket in re.findall(r"[]\[{}]", text)), initial=0)
    columns = max(map(len, text.splitlines()), default=0)
    if max(flow) > MAX_DEPTH or columns > MAX_COLUMNS:
        return None
    try:
        node: Node | None = YAML(typ="safe").compose(text)
    except (YAMLError, ValueError):
        return None
    return node


@dataclass
class _Builder:
    """Convert nodes to data; collect the lines, and a problem for everything that an inventory must not contain."""

    file: str
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    parents: list[Node] = field(default_factory=list)

    def reject(self, node: Node, path: Location, message: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, ".".join(map(str, path)), message))

    def build(self, node: Node, path: Location) -> Any:
        if len(self.lines) > MAX_VALUES:
            raise InventoryError([Problem(self.file, 0, "", f"has more than {MAX_VALUES} values; do anchors nest?")])
        if any(node is parent for parent in self.parents):
            return self.reject(node, path, "an anchor refers to itself; write the value out")
        if node.tag not in KNOWN_TAGS:
            return self.reject(node, path, f"the tag {node.tag} is not supported: write the value as plain data")
        self.parents.append(node)
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self.parents.pop()

    def _item(self, node: Node, path: Location) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.build(node, path)

    def _mapping(self, node: MappingNode, path: Location) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for _, value in filter(_is_merge, node.value):
            for other in reversed(list(self._merges(value, path))):
                merged |= self._mapping(other, path)
        for key, value in (pair for pair in node.value if not _is_merge(pair)):
            name = self._key(key, path)
            if name is None:
                continue
            if name in own:
                first = self.lines[*path, name]
                self.reject(key, (*path, name), f"duplicate key, first in line {first}; keep one")
                continue
            self.lines[*path, name] = key.start_mark.line + 1
            own[name] = self.build(value, (*path, name))
        return merged | own

    def _merges(self, node: Node, path: Location) -> Iterator[MappingNode]:
        for other in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(other, MappingNode):
                self.reject(other, path, "<< takes a mapping, or a list of mappings")
            elif any(other is parent for parent in self.parents):
                self.reject(other, path, "an anchor refers to itself; write the value out")
            else:
                yield other

    def _key(self, key: Node, path: Location) -> str | None:
        if not isinstance(key, ScalarNode):
            self.reject(key, path, "a key cannot be a list or mapping")
        elif key.tag != CORE + "str":
            self.reject(key, path, f"YAML does not read {key.value} as text: put the key in quotes")
        elif self._scalar(key, path) is not None:
            return str(key.value)
        return None

    def _scalar(self, node: Node, path: Location) -> Any:
        text = str(node.value)
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            return self.reject(node, path, "contains a lone surrogate, which is not a character: remove it")
        return text if node.tag in TEXT_TAGS else _plain(str(node.tag).removeprefix(CORE), text)


def _is_merge(pair: tuple[Node, Node]) -> bool:
    return bool(pair[0].tag == CORE + "merge")


def _plain(kind: str, text: str) -> Any:
    """Convert a scalar; a value that Python cannot represent stays text and is rejected where a number is expected."""
    digits = text.replace("_", "")
    try:
        match kind:
            case "int":
                return int(digits) if digits.lstrip("+-").isdigit() else int(digits, 0)
            case "float":
                return float(digits)
            case "bool":
                return text.lower() in ("true", "yes", "on", "y")
            case "null":
                return None
    except ValueError:
        return text
    return text
