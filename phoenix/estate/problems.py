"""Mistakes in an inventory: one `Problem` for each, with its location; all are reported at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from phoenix.errors import PhoenixError

CONNECTION_KEYS = {"username", "connection_options", "port", "platform"}
NEAR = 0.75
"""Similarity of a typing error to its word (difflib); words with less in common are different words."""
SECRET = re.compile(r"(?i)(^|[_-])(password|passwd|passphrase|secret|token|credentials?|(private|api|access)[_-]?key)$")


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: its file and line, its host and key, and what to do."""

    file: str
    line: int
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.where}: {self.message}" if self.where else f"{place}: {self.message}"


Problems = Iterator[Problem]


class InventoryError(PhoenixError):
    """The inventory is not valid; `problems` lists every mistake."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Suggest the known word nearest to a wrong one, as the end of a sentence; if none is near, list what is valid.

    `otherwise` says what is valid where a list of all words would not help.
    """
    candidates = sorted(set(known))
    close = get_close_matches(word, candidates, n=1, cutoff=NEAR)
    if close:
        return f"did you mean {close[0]!r}?"
    if otherwise:
        return otherwise
    return f"valid here: {', '.join(candidates)}" if candidates else "no value is valid here"


def unknown_key(key: str, known: Iterable[str], *, connects: bool = False) -> str:
    """Reject a key; set `connects` where Nornir accepts keys for connections."""
    if is_secret(key) or (connects and key in CONNECTION_KEYS):
        return f"{key!r} is not allowed in the inventory: move connection settings and secrets to the access file"
    return f"unknown key {key!r}; {nearest(key, known)}"


def is_secret(name: str) -> bool:
    """Report whether a key or variable of this name holds a secret itself, not its location."""
    return SECRET.search(name) is not None
