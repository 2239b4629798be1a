"""YAML files as plain data plus the line of every key, so that a mistake can be shown where it stands.

Data is built here from YAML's nodes: only text, numbers, truth values, lists and mappings with text as keys exist in
an inventory, each key once. Dates and the like stay the text that was written.
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
MOST_VALUES = 100_000
"""Anchors that refer to anchors can make a small file into endless data."""
DEEPEST, WIDEST = 100, 4_000
"""Brackets in brackets, and columns, which bound every other nesting: the parser in C dies of what is too deep."""


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
    """Read one YAML file whose top level is a mapping; InventoryError lists what is wrong with it."""
    root = _compose(path)
    if root is None or (isinstance(root, ScalarNode) and root.tag == CORE + "null"):
        return Document(str(path), {}, {})
    builder = _Builder(str(path))
    try:
        data = builder.build(root, ())
    except RecursionError:
        raise InventoryError([Problem(str(path), 0, "", "is nested too deeply")]) from None
    if not isinstance(root, MappingNode) and not builder.problems:
        builder.complain(root, (), "must be a mapping of names to settings")
    if builder.problems:
        raise InventoryError(builder.problems)
    return Document(str(path), data, builder.lines)


def _compose(path: Path) -> Node | None:
    try:
        text = path.read_text(encoding="utf-8")
        node = _composed_fast(text) or YAML(typ="safe", pure=True).compose(text)
    except FileNotFoundError:
        raise InventoryError([Problem(str(path), 0, "", "file is missing; the inventory needs it")]) from None
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
    assert node is None or isinstance(node, Node)  # noqa: S101  # ruamel does not say
    return node


def _composed_fast(text: str) -> Node | None:
    """Compose by the parser in C; nothing if it does not like the text, so that Python's own says what is wrong."""
    flow = accumulate((1 if bracket in "[{" else -1 for bracket in re.findall(r"[]\[{}]", text)), initial=0)
    columns = max(map(len, text.splitlines()), default=0)
    if max(flow) > DEEPEST or columns > WIDEST:
        return None
    try:
        node: Node | None = YAML(typ="safe").compose(text)
    except (YAMLError, ValueError):
        return None
    return node


@dataclass
class _Builder:
    """Turns nodes into data, noting lines and everything that may not stand in an inventory."""

    file: str
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    around: list[Node] = field(default_factory=list)

    def complain(self, node: Node, path: Location, message: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, ".".join(map(str, path)), message))

    def build(self, node: Node, path: Location) -> Any:
        if len(self.lines) > MOST_VALUES:
            raise InventoryError([Problem(self.file, 0, "", f"has more than {MOST_VALUES} values; do anchors nest?")])
        if any(node is outer for outer in self.around):
            return self.complain(node, path, "an anchor refers to itself; write the value out")
        if node.tag not in KNOWN_TAGS:
            return self.complain(node, path, f"the tag {node.tag} means nothing here: an inventory is plain data")
        self.around.append(node)
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self.around.pop()

    def _item(self, node: Node, path: Location) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.build(node, path)

    def _mapping(self, node: MappingNode, path: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for _, value in filter(_is_merge, node.value):
            for other in reversed(list(self._merges(value, path))):
                merged |= self._mapping(other, path)
        for key, value in (pair for pair in node.value if not _is_merge(pair)):
            name = self._key(key, path)
            if name is None:
                continue
            if name in found:
                first = self.lines[*path, name]
                self.complain(key, (*path, name), f"this key stands here twice, first in line {first}; keep one")
                continue
            self.lines[*path, name] = key.start_mark.line + 1
            found[name] = self.build(value, (*path, name))
        return merged | found

    def _merges(self, node: Node, path: Location) -> Iterator[MappingNode]:
        for other in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(other, MappingNode):
                self.complain(other, path, "<< takes a mapping, or a list of mappings")
            elif any(other is outer for outer in self.around):
                self.complain(other, path, "an anchor refers to itself; write the value out")
            else:
                yield other

    def _key(self, key: Node, path: Location) -> str | None:
        if not isinstance(key, ScalarNode):
            self.complain(key, path, "a key cannot be a list or mapping")
        elif key.tag != CORE + "str":
            self.complain(key, path, f"{key.value} is not text to YAML: put the key in quotes")
        elif self._scalar(key, path) is not None:
            return str(key.value)
        return None

    def _scalar(self, node: Node, path: Location) -> Any:
        text = str(node.value)
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            return self.complain(node, path, "contains half a character (a lone surrogate)")
        return text if node.tag in TEXT_TAGS else _plain(str(node.tag).removeprefix(CORE), text)


def _is_merge(pair: tuple[Node, Node]) -> bool:
    return bool(pair[0].tag == CORE + "merge")


def _plain(kind: str, text: str) -> Any:
    """A number or truth value; one that Python cannot hold stays text, and is refused where a number is wanted."""
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
