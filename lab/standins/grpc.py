"""Serves gRPC over HTTP/2 without TLS for stand-ins, from a table of methods with their response messages.

The protocol is PROTOCOL-HTTP2.md of the gRPC project; the package h2 does the framing.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

UNIMPLEMENTED = "12"
HEADERS = [(":status", "200"), ("content-type", "application/grpc")]


@dataclass(frozen=True)
class GrpcMethod:
    """A method's response: one message, after which the call ends, or stays open like a stream."""

    message: bytes
    stays_open: bool = False


def serve(port: int, methods: Mapping[str, GrpcMethod]) -> None:
    """Serve in a thread; `methods` maps paths of the form /package.Service/Method."""
    server = _GrpcServer(("", port), _GrpcConnection)
    server.methods = methods
    threading.Thread(target=server.serve_forever, daemon=True).start()


class _GrpcServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    methods: Mapping[str, GrpcMethod]


class _GrpcConnection(socketserver.BaseRequestHandler):
    """Handles one connection with any number of calls."""

    def setup(self) -> None:
        self.paths: dict[int, str] = {}
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))

    def handle(self) -> None:
        self.h2.initiate_connection()
        self.request.sendall(self.h2.data_to_send())
        while received := self.request.recv(65536):
            try:
                events = self.h2.receive_data(received)
            except ProtocolError:
                self.request.sendall(self.h2.data_to_send())
                return
            ended = [self._on(event) for event in events]
            self.request.sendall(self.h2.data_to_send())
            if any(ended):
                return

    def _on(self, event: Any) -> bool:
        """Handle an event of h2; return whether the connection has ended."""
        if isinstance(event, RequestReceived):
            self.paths[event.stream_id] = dict(event.headers)[":path"]
        elif isinstance(event, DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self._answer(event.stream_id, self.server.methods.get(self.paths.pop(event.stream_id)))  # type: ignore[attr-defined]
        return isinstance(event, ConnectionTerminated)

    def _answer(self, stream: int, method: GrpcMethod | None) -> None:
        if method is None:
            self.h2.send_headers(stream, [*HEADERS, ("grpc-status", UNIMPLEMENTED)], end_stream=True)
            return
        self.h2.send_headers(stream, HEADERS)
        self.h2.send_data(stream, struct.pack("!BI", 0, len(method.message)) + method.message)
        if not method.stays_open:
            self.h2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
