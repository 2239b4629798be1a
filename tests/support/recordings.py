"""Recorded answers of a real Proxmox VE 8.4 node.

`tests/data/real-pve-8.4/README.md` describes them. A run is a list of exchanges in order of completion.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from tests.support.places import ROOT

RECORDED = ROOT / "tests/data/real-pve-8.4"
NODE = "/nodes/phoenix"
LOCKED = "CT is locked (disk)"
_OK = 200


@dataclass(frozen=True)
class Exchange:
    """A request of the product and the answer of the real node."""

    method: str
    path: str
    fields: Mapping[str, str]
    status: int
    reason: str
    answer: Any

    def __str__(self) -> str:
        """Return the request's line."""
        return f"{self.method} {self.path}"

    @property
    def data(self) -> Any:
        """The answer's data."""
        return self.answer["data"]

    @property
    def place(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]


@dataclass(frozen=True)
class Session:
    """The exchanges of one process of the product; a run may have several, and hands may edit between them."""

    run: str
    number: int
    exchanges: tuple[Exchange, ...]

    def __str__(self) -> str:
        """Return the name for a test."""
        return f"{self.run}-{self.number}"

    def first(self, place: str) -> Any:
        """Return the data of the first answer from a path, or None."""
        return next((exchange.data for exchange in self.exchanges if exchange.place == place), None)


def runs() -> list[str]:
    """Return the names of the recorded runs."""
    return sorted(path.name.partition(".")[0] for path in (RECORDED / "api").glob("*.json.gz"))


def sessions() -> list[Session]:
    """Return all recorded sessions."""
    return [session for name in runs() for session in _sessions(name, run(name))]


def _sessions(name: str, exchanges: list[Exchange]) -> Iterator[Session]:
    starts = [n - 1 for n, exchange in enumerate(exchanges) if exchange.place == "/cluster/resources"]
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(exchanges)], strict=True), 1):
        yield Session(name, number, tuple(exchanges[start:end]))


def run(name: str) -> list[Exchange]:
    """Return the exchanges of a run."""
    text = gzip.decompress((RECORDED / f"api/{name}.json.gz").read_bytes())
    return _by_lock([_exchange(entry) for entry in json.loads(text)])


def _by_lock(exchanges: list[Exchange]) -> list[Exchange]:
    """Put a clone's answer before the refusals that it caused: some of those were faster."""
    ordered: list[Exchange] = []
    holders: dict[str, str] = {}
    rest = list(exchanges)
    while rest:
        exchange = rest[0]
        if exchange.reason == LOCKED and exchange.place not in holders:
            exchange = next(e for e in rest if e.place == exchange.place and e.status == _OK)
        rest.remove(exchange)
        ordered.append(exchange)
        if exchange.place.endswith("/clone") and exchange.status == _OK:
            holders[exchange.place] = exchange.data
        elif "/tasks/" in exchange.place and exchange.data["status"] == "stopped":
            holders = {place: upid for place, upid in holders.items() if upid not in exchange.place}
    return ordered


def _exchange(entry: Mapping[str, Any]) -> Exchange:
    fields = dict(parse_qsl(entry["body"] or "", keep_blank_values=True))
    return Exchange(entry["method"], entry["path"], fields, entry["status"], entry["reason"], entry["answer"])


def errors() -> Iterator[Exchange]:
    """Yield the refused requests of errors.txt."""
    lines = (RECORDED / "errors.txt").read_text().splitlines()
    for request, head, body in zip(*[iter(lines)] * 3, strict=True):
        method, path, *flags = request.removeprefix("> ").split(" ")
        fields = dict(parse_qsl("&".join(flags[1::2]), keep_blank_values=True))
        _, status, reason = head.split(" ", 2)
        yield Exchange(method, path, fields, int(status), reason, json.loads(body))


def facts() -> dict[str, Any]:
    """Return the single facts by their id."""
    return {fact["id"]: fact for fact in json.loads((RECORDED / "facts.json").read_text())}
