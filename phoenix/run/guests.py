"""The guests that exist during a run, with their status: read from the API and updated by the tasks."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

from phoenix.estate import Machine
from phoenix.pve.guests import GuestStatus


class ObservedGuests:
    """Guests by vmid; threads can share it."""

    def __init__(self, known: Iterable[GuestStatus] = ()) -> None:
        self._lock = threading.Lock()
        self._known = {guest.vmid: guest for guest in known}

    def __contains__(self, vmid: int) -> bool:
        return vmid in self._known

    def learn(self, listed: Iterable[GuestStatus]) -> None:
        """Add guests that were listed."""
        guests = {guest.vmid: guest for guest in listed}
        with self._lock:
            self._known |= guests

    def listed(self) -> tuple[GuestStatus, ...]:
        """Return every known guest, by vmid."""
        with self._lock:
            return tuple(self._known[vmid] for vmid in sorted(self._known))

    def status(self, vmid: int) -> GuestStatus | None:
        """The last status of a guest; None if the guest does not exist."""
        return self._known.get(vmid)

    def is_running(self, vmid: int) -> bool:
        """Report whether a guest was running at its last status."""
        guest = self._known.get(vmid)
        return guest is not None and guest.is_running

    def note(self, machine: Machine, status: str) -> None:
        """Record that a machine of the inventory exists, with this status."""
        with self._lock:
            known = self._known.get(machine.vmid) or GuestStatus(machine.vmid, machine.name, machine.kind, status)
            self._known[machine.vmid] = replace(known, name=machine.name, status=status)

    def claim(self, vmid: int, tag: str) -> None:
        """Record that a guest has the tag of its owner."""
        with self._lock:
            known = self._known[vmid]
            self._known[vmid] = replace(known, tags=tuple(dict.fromkeys((*known.tags, tag))))

    def forget(self, vmid: int) -> None:
        """Record that a guest no longer exists."""
        with self._lock:
            self._known.pop(vmid, None)
