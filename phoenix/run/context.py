"""What holds during one run and is handed to every task: the estate, the connections, and what was learned."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phoenix.connections.links import Links
from phoenix.converge import HostSession
from phoenix.estate import Estate
from phoenix.pki.bundle import SeenAuthority

if TYPE_CHECKING:
    from phoenix.artifacts.store import Artifact


@dataclass
class Run:
    """One run. `targets` are the hosts it may touch; `exists` are vmids as the API told them.

    `inventory` is the folder that the estate was read from, so that messages can name its lines.
    """

    estate: Estate
    links: Links = field(repr=False)
    targets: frozenset[str]
    dry_run: bool
    artifacts: Mapping[str, Artifact] = field(default_factory=dict, repr=False)
    inventory: Path | None = None
    authority: SeenAuthority | None = None
    failed: set[str] = field(default_factory=set)
    exists: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)
    _sessions: dict[str, HostSession] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def is_running(self, vmid: int) -> bool:
        """Tell whether a guest ran when it was last looked at."""
        return self.exists.get(vmid, {}).get("status") == "running"

    def session(self, name: str) -> HostSession:
        """The session of a host; one that does not run has a session that sees nothing."""
        with self._lock:
            session = self._sessions.get(name)
        if session is None or (session.shell is None and self._reachable(name)):
            session = HostSession(name, self.links.shell(name) if self._reachable(name) else None)
            with self._lock:
                self._sessions[name] = session
        return session

    def round_trips(self) -> dict[str, int]:
        """How often each host was asked or told something over its shell."""
        return {name: session.round_trips for name, session in self._sessions.items()}

    def renew_session(self, name: str) -> None:
        """Forget a host's session and connection, because the host was started anew."""
        with self._lock:
            self._sessions.pop(name, None)
        self.links.forget(name)

    def _reachable(self, name: str) -> bool:
        vmid = getattr(self.estate.host(name), "vmid", None)
        return vmid is None or self.is_running(vmid)
