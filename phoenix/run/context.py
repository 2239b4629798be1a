"""The state of one run, handed to every task: the estate, the connections, and what was learned."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.connections.links import Links
from phoenix.converge import HostSession
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate
from phoenix.pki.bundle import SeenAuthority
from phoenix.run.guests import ObservedGuests

if TYPE_CHECKING:
    from phoenix.artifacts.store import Artifact


@dataclass
class Run:
    """One run. `targets` are the names of the hosts it may change; `failed` those on which a task failed.

    `inventory` is the folder that the estate was read from, so that messages can name its lines. `known_authority` is
    None until a task has seen the authority.
    """

    estate: Estate
    links: Links = field(repr=False)
    targets: frozenset[str]
    artifacts: Mapping[str, Artifact] = field(default_factory=dict, repr=False)
    inventory: Path | None = None
    known_authority: SeenAuthority | None = None
    failed: set[str] = field(default_factory=set)
    guests: ObservedGuests = field(default_factory=ObservedGuests, repr=False)
    _sessions: dict[str, HostSession] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def authority(self) -> SeenAuthority:
        """The authority, which must be known by now; TaskFailedError says what to do if it is not."""
        if self.known_authority is None:
            raise TaskFailedError("the estate's root is not known: deploy the authority first")
        return self.known_authority

    def session(self, name: str) -> HostSession:
        """The session of a host; a host that does not run has a session without a shell."""
        with self._lock:
            session = self._sessions.get(name)
        if session is None or (session.shell is None and self._reachable(name)):
            session = HostSession(name, self.links.shell(name) if self._reachable(name) else None)
            with self._lock:
                self._sessions[name] = session
        return session

    def round_trips(self) -> dict[str, int]:
        """Count the round trips over each host's shell."""
        return {name: session.round_trips for name, session in self._sessions.items()}

    def drop_session(self, name: str) -> None:
        """Drop a host's session and connection, because the host was restarted."""
        with self._lock:
            self._sessions.pop(name, None)
        self.links.forget(name)

    def _reachable(self, name: str) -> bool:
        vmid = getattr(self.estate.host(name), "vmid", None)
        return vmid is None or self.guests.is_running(vmid)
