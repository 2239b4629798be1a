"""What is wrong with an inventory: one `Problem` a mistake, all of them at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from phoenix.errors import PhoenixError

HOW_TO_CONNECT = {"username", "connection_options", "port", "platform"}
SECRET = re.compile(r"(?i)(^|[_-])(password|passwd|passphrase|secret|token|credentials?|(private|api|access)[_-]?key)$")


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: the file and line it stands in, the host and key it belongs to, and what to do."""

    file: str
    line: int
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.where}: {self.message}" if self.where else f"{place}: {self.message}"


Found = Iterator[Problem]


class InventoryError(PhoenixError):
    """The inventory cannot be used; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the known word nearest to a wrong one, as the tail of a sentence."""
    candidates = sorted(set(known))
    close = get_close_matches(word, candidates, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known here: {', '.join(candidates)}" if candidates else "nothing may stand here"


def unknown_key(key: str, known: Iterable[str], *, connects: bool = False) -> str:
    """Refuse a key; `connects` where Nornir's own keys for connections would stand."""
    if is_secret(key) or (connects and key in HOW_TO_CONNECT):
        return f"{key!r} may not stand in the inventory: how to connect, and secrets, are in the access file"
    return f"unknown key {key!r}; {nearest(key, known)}"


def is_secret(name: str) -> bool:
    """Tell whether a key or variable of this name would hold a secret, rather than say where one is."""
    return SECRET.search(name) is not None
