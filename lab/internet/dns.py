"""The resolvers of the lab's Internet: answer the names of `names` with one address each, all others with NXDOMAIN.

Messages are those of RFC 1035, section 4.
"""

from __future__ import annotations

import socketserver
import struct
from typing import Any

from phoenix.lab.internet.names import LEADS_INSIDE, NAMES

HEADER = struct.Struct("!6H")
RESPONSE = 0x8180  # a response; recursion desired and available
NOERROR, FORMERR, NXDOMAIN, NOTIMP = 0, 1, 3, 4
TYPE_A, CLASS_IN, TTL = 1, 1, 60


def read_name(message: bytes, offset: int) -> tuple[str, int]:
    """Return the name at an offset of a query, and the offset after it; names in questions are not compressed."""
    labels = []
    while length := message[offset]:
        labels.append(message[offset + 1 : offset + 1 + length].decode("ascii", "replace"))
        offset += 1 + length
    return ".".join(labels).lower(), offset + 1


def answer(message: bytes) -> bytes | None:
    """Return the response to a message, or None if the message is not a query."""
    if len(message) < HEADER.size:
        return None
    number, flags, questions, *_ = HEADER.unpack_from(message)
    if flags & 0x8000:
        return None
    if questions != 1 or flags & 0x7800:
        return HEADER.pack(number, RESPONSE | (FORMERR if questions != 1 else NOTIMP), 0, 0, 0, 0)
    try:
        name, end = read_name(message, HEADER.size)
        kind, family = struct.unpack_from("!2H", message, end)
    except (IndexError, struct.error):
        return HEADER.pack(number, RESPONSE | FORMERR, 0, 0, 0, 0)
    question = message[HEADER.size : end + 4]
    address = (NAMES | LEADS_INSIDE).get(name)
    has_answer = address is not None and kind == TYPE_A and family == CLASS_IN
    code = NOERROR if address is not None else NXDOMAIN
    response = HEADER.pack(number, RESPONSE | code, 1, int(has_answer), 0, 0) + question
    if address is not None and has_answer:
        octets = bytes(int(part) for part in address.split("."))
        response += struct.pack("!3HIH", 0xC00C, TYPE_A, CLASS_IN, TTL, 4) + octets
    return response


class UdpQueryHandler(socketserver.BaseRequestHandler):
    """Handles one datagram."""

    def handle(self) -> None:
        """Answer the query."""
        message, sender = self.request
        if response := answer(message):
            sender.sendto(response, self.client_address)


class TcpQueryHandler(socketserver.StreamRequestHandler):
    """Handles one connection with any number of queries."""

    timeout = 10

    def handle(self) -> None:
        """Answer each query of the connection."""
        while len(size := self.rfile.read(2)) == 2:  # noqa: PLR2004 - a length field has two bytes
            if response := answer(self.rfile.read(int.from_bytes(size))):
                self.wfile.write(len(response).to_bytes(2) + response)


class UdpDnsServer(socketserver.ThreadingUDPServer):
    """Serves DNS over UDP on one address, so that each response comes from the address of its query."""

    daemon_threads = True


class TcpDnsServer(socketserver.ThreadingTCPServer):
    """Serves DNS over TCP on one address."""

    allow_reuse_address = True
    daemon_threads = True


def servers(addresses: tuple[str, ...]) -> list[Any]:
    """Return a UDP and a TCP server for each address."""
    resolvers: list[Any] = []
    for address in addresses:
        resolvers += [UdpDnsServer((address, 53), UdpQueryHandler), TcpDnsServer((address, 53), TcpQueryHandler)]
    return resolvers
