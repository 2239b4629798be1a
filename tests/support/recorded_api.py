"""A stand-in for the Proxmox API and the node's shell that answers as the real node did in a recorded session."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import unquote

from phoenix.connections.ssh import Completed
from phoenix.connections.waits import Waits
from tests.support.recorded_situation import RecordedGuest, Situation, final_guests, situation, subject_of
from tests.support.recordings import Session

_LISTS = {"nodes/phoenix/lxc": "lxc", "nodes/phoenix/qemu": "qemu"}
_NAMES = {"lxc": "hostname", "qemu": "name"}
_EMPTY: Mapping[str, Any] = {"options": {}, "rules": [], "aliases": [], "ipset": [], "groups": []}


class RecordedApi:
    """Answers reads of one session; keeps the writes, and does nothing else with them."""

    def __init__(self, session: Session) -> None:
        self.before: Situation = situation(session)
        self.writes: list[tuple[str, str, dict[str, str]]] = []
        self._answers: dict[str, dict[int, Any]] = defaultdict(dict)
        """The answers to reads of a path, by the number of writes to their subject that preceded them."""
        written: Counter[str] = Counter()
        for exchange in session.exchanges:
            subject = subject_of(exchange.place)
            if exchange.method == "GET":
                self._answers[unquote(exchange.place).lstrip("/")].setdefault(written[subject], exchange.data)
            else:
                written[subject] += 1

    def get(self, path: str, **_: Any) -> Any:
        """Answer a read: lists and pending values from the situation, all else as recorded."""
        kind, vmid = _guest_of(path)
        if path in _LISTS:
            return [_entry(guest) for guest in self.before.guests.values() if guest.kind == _LISTS[path]]
        if path.endswith("/pending"):
            return list(_pending(self.before.guests.get(vmid) or self._created(kind, vmid)))
        if path in self._answers:
            return self._recorded(path)
        table = path.rpartition("/")[2]
        if "/firewall/" in path and table in _EMPTY and kind:
            return _EMPTY[table]
        raise AssertionError(f"the recorded session did not read {path}")

    def _recorded(self, path: str) -> Any:
        """Return the answer that was recorded after as many writes as were made now, or after fewer."""
        written = sum(subject_of(place) == subject_of(f"/{path}") for _, place, _ in self.writes)
        answers = self._answers[path]
        return answers[max((count for count in answers if count <= written), default=min(answers))]

    def _created(self, kind: str, vmid: int) -> RecordedGuest:
        """Return a guest that the session created, as it first read it."""
        path = f"nodes/phoenix/{kind}/{vmid}/config"
        config = self._recorded(path) if path in self._answers else final_guests()[vmid]
        return RecordedGuest(vmid, kind, "stopped", {key: value for key, value in config.items() if key != "digest"})

    def run(self, method: str, path: str, _limit: float, **fields: Any) -> None:
        """Keep a write that starts a task."""
        self.writes.append((method.upper(), f"/{path}", {key: str(value) for key, value in fields.items()}))

    def post(self, path: str, **fields: Any) -> None:
        """Keep a write."""
        self.run("post", path, 0, **fields)

    def put(self, path: str, **fields: Any) -> None:
        """Keep a write."""
        self.run("put", path, 0, **fields)

    def delete(self, path: str, **fields: Any) -> None:
        """Keep a write."""
        self.run("delete", path, 0, **fields)


class RecordedLinks:
    """Connections to the one recorded node; every program in a shell succeeds."""

    def __init__(self, api: RecordedApi) -> None:
        self._api = api
        self.waits = Waits()

    def api(self, _hypervisor: str) -> RecordedApi:
        """Return the API."""
        return self._api

    def clone_queue(self, _hypervisor: str, _vmid: int) -> AbstractContextManager[None]:
        """Clone at once."""
        return nullcontext()

    def shell(self, _name: str) -> RecordedLinks:
        """Return a shell."""
        return self

    def run(self, _script: str, _limit: float = 0) -> Completed:
        """Run nothing."""
        return Completed(0, "", "")

    def public_key(self, _hypervisor: str) -> str:
        """Return the controller's key as it was recorded."""
        return "ssh-ed25519 KEY-controller"

    def forget(self, _name: str) -> None:
        """Drop nothing."""


def _guest_of(path: str) -> tuple[str, int]:
    parts = path.split("/")
    is_guest = len(parts) > 3 and parts[2] in ("lxc", "qemu")
    return (parts[2], int(parts[3])) if is_guest else ("", 0)


def _entry(guest: RecordedGuest) -> dict[str, Any]:
    tags, template = guest.config.get("tags"), guest.config.get("template")
    entry = {"vmid": guest.vmid, "name": guest.config[_NAMES[guest.kind]], "status": guest.status}
    return {**entry, **({"tags": tags} if tags else {}), **({"template": 1} if template else {})}


def _pending(guest: RecordedGuest) -> Iterator[dict[str, Any]]:
    for key in sorted({*guest.config, *guest.pending}):
        entry = {"key": key, **({"value": guest.config[key]} if key in guest.config else {})}
        if key in guest.pending:
            value = guest.pending[key]
            entry |= {"delete": 1} if value is None else {"pending": value}
        yield entry
