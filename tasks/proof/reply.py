"""What was observed of a route: the replies of edge, mesh and service, the name's address, and listening programs.

Pure: `tasks/proof/ask.py` observes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from typing import Literal

ReplyKind = Literal["status", "certificate", "unconnected", "silent"]
TLS_FAILURES = frozenset({35, 51, 58, 59, 60, 66, 77, 83, 90, 91})
"""Exit statuses of curl (curl(1), "EXIT CODES") that concern certificates and TLS."""
NOT_CONNECTED, TIMEOUT = 7, 28
SOCKET = re.compile(r"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F:]+ 0A ")
"""A socket that listens: number, local address and port, remote address, state."""
WILDCARDS = (ip_address("0.0.0.0"), ip_address("::"))  # noqa: S104  # addresses to compare with, none to listen on


@dataclass(frozen=True)
class Reply:
    """The reply to one request: curl's exit status, the HTTP status, and whether TCP connected."""

    exit: int
    status: int = 0
    connected: bool = True

    @property
    def kind(self) -> ReplyKind:
        """How far the request came."""
        if self.exit == 0:
            return "status"
        if self.exit in TLS_FAILURES:
            return "certificate"
        return "silent" if self.connected and self.exit != NOT_CONNECTED else "unconnected"

    @property
    def is_refused(self) -> bool:
        """Tell whether the connection failed at once; otherwise a packet or its answer was lost."""
        return self.exit == NOT_CONNECTED

    @property
    def is_good(self) -> bool:
        """Tell whether the status is 2xx or 3xx, which neither edge nor mesh gives by itself."""
        return self.kind == "status" and 200 <= self.status < 400  # noqa: PLR2004  # classes of RFC 9110


@dataclass(frozen=True)
class Listening:
    """The addresses on which programs of a guest listen, by port; `runs` is false for a guest that does not run."""

    addresses: Mapping[int, frozenset[str]] = field(default_factory=dict)
    runs: bool = True

    def at(self, port: int, address: str) -> bool:
        """Tell whether a program listens at an address of the guest."""
        own = {ip_address(one) for one in self.addresses.get(port, ())}
        return not own.isdisjoint({*WILDCARDS, ip_address(address)})


@dataclass(frozen=True)
class RouteReplies:
    """What was observed of one route, by guest where several can be asked; what is absent could not be observed.

    `address` is the one to which the node resolves the name, empty if it does not resolve.
    """

    entries: Mapping[str, Reply]
    address: str | None = None
    backend: Reply | None = None
    listening: Mapping[str, Listening] = field(default_factory=dict)


def read_listening(lines: Iterable[str]) -> Listening:
    """Parse the lines of /proc/net/tcp and tcp6 (proc(5)): the sockets in the state LISTEN.

    A guest wrote them: what is no such line is ignored.
    """
    addresses: dict[int, set[str]] = {}
    for match in filter(None, map(SOCKET.match, lines)):
        addresses.setdefault(int(match[2], 16), set()).add(_address(match[1]))
    return Listening({port: frozenset(own) for port, own in addresses.items()})


def _address(text: str) -> str:
    """Read an address of /proc/net: words of 32 bits in the byte order of the host, little-endian."""
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    address = ip_address(b"".join(words))
    mapped = None if isinstance(address, IPv4Address) else address.ipv4_mapped
    return str(mapped or address)
