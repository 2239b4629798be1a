"""The state of one run, which every task receives: the estate, the connections, and the observations so far."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.connections.links import Links
from phoenix.converge import HostSession
from phoenix.derive.ownership import owns
from phoenix.errors import TaskFailedError
from phoenix.estate import Estate, Machine
from phoenix.pki.bundle import SeenAuthority
from phoenix.run.guests import ObservedGuests

if TYPE_CHECKING:
    from phoenix.artifacts.store import Artifact


@dataclass(frozen=True)
class Consent:
    """What the operator allows a run beyond the declared state.

    `adopted` are the names of guests to take over from another owner, `pruned` the vmids of guests to remove because
    they are no longer declared; `may_restart` allows restarts of guests whose settings need one.
    """

    adopted: frozenset[str] = frozenset()
    pruned: frozenset[int] = frozenset()
    may_restart: bool = True


@dataclass
class Run:
    """One run. `targets` are the names of the hosts that it may change, `failed` those on which a task failed.

    `inventory` is the directory of the estate's files, so that messages can name their lines. `known_authority` is
    None until a task has observed the CA. `rehearsed_firewalls` are the vmids of guests whose firewall an earlier step
    of a dry run would complete. `wrong_mounts` are mounts, by guest and path in it, whose directory on the hypervisor
    has another owner or mode than declared: what is in them cannot be observed.
    """

    estate: Estate = field(repr=False)
    links: Links = field(repr=False)
    targets: frozenset[str]
    artifacts: Mapping[str, Artifact] = field(default_factory=dict, repr=False)
    inventory: Path | None = None
    consent: Consent = field(default_factory=Consent)
    rehearsed_firewalls: set[int] = field(default_factory=set)
    known_authority: SeenAuthority | None = field(default=None, repr=False)
    failed: set[str] = field(default_factory=set)
    wrong_mounts: set[tuple[str, str]] = field(default_factory=set)
    guests: ObservedGuests = field(default_factory=ObservedGuests, repr=False)
    _sessions: dict[str, HostSession] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def authority(self) -> SeenAuthority:
        """The CA as it was observed; TaskFailedError if it was not, with what to do."""
        if self.known_authority is None:
            raise TaskFailedError("the estate's root certificate is not known: deploy the CA first")
        return self.known_authority

    def session(self, name: str) -> HostSession:
        """Return the session of a host; the session of a host that does not run has no shell."""
        with self._lock:
            session = self._sessions.get(name)
        if session is None or (session.shell is None and self._reachable(name)):
            session = self._new_session(name)
            with self._lock:
                self._sessions[name] = session
        return session

    def round_trips(self) -> dict[str, int]:
        """Count the round trips of each host's shell."""
        return {name: session.round_trips for name, session in self._sessions.items()}

    def drop_session(self, name: str) -> None:
        """Drop a host's session and connection, because the host was restarted."""
        with self._lock:
            self._sessions.pop(name, None)
        self.links.forget(name)

    def _new_session(self, name: str) -> HostSession:
        if self._reachable(name):
            return HostSession(name, self.links.shell(name))
        host = self.estate.host(name)
        return HostSession(name, None, is_unknown=isinstance(host, Machine) and host.vmid in self.guests)

    def _reachable(self, name: str) -> bool:
        host = self.estate.host(name)
        return not isinstance(host, Machine) or (self.guests.is_running(host.vmid) and not self._is_to_adopt(host))

    def _is_to_adopt(self, machine: Machine) -> bool:
        """Report whether a virtual machine of another owner does not accept the controller's key yet."""
        status = self.guests.status(machine.vmid)
        is_foreign = status is not None and not owns(self.estate, machine.vmid, status.tags)
        return machine.kind == "vm" and machine.name in self.consent.adopted and is_foreign
