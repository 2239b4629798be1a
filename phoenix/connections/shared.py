"""The connections to an estate for scripts that use Nornir: one `Links` for all hosts of a loaded inventory.

Nornir opens a connection per host and thread. This module opens each connection once, for all of them, and closes
it with the last host's connection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from phoenix.connections.access import access_path, read_access
from phoenix.connections.links import Links
from phoenix.estate import Estate


@dataclass
class _Shared:
    links: Links
    users: int = 0


_lock = threading.Lock()
_shared: dict[int, _Shared] = {}
"""By the identity of the estate, which `Links` keeps alive: an entry exists only while it has users."""


def borrow_links(estate: Estate) -> Links:
    """Return the estate's connections, opened with the access file of $PHOENIX_ACCESS or its default.

    Raises AccessError if that file is missing or invalid.

    Each call needs one of `return_links`.
    """
    with _lock:
        if id(estate) not in _shared:
            access = read_access(access_path(lab=False), tuple(host.name for host in estate.hypervisors))
            _shared[id(estate)] = _Shared(Links(estate, access))
        shared = _shared[id(estate)]
        shared.users += 1
        return shared.links


def return_links(estate: Estate) -> None:
    """Return the estate's connections; the last user closes them."""
    with _lock:
        shared = _shared[id(estate)]
        shared.users -= 1
        if shared.users:
            return
        del _shared[id(estate)]
    shared.links.close()


@contextmanager
def shared_links(estate: Estate) -> Iterator[Links]:
    """Use the estate's connections for a block."""
    links = borrow_links(estate)
    try:
        yield links
    finally:
        return_links(estate)
