"""The forwarder: passes connections from loopback ports to the hypervisor, from inside the lab's network.

`up` starts it as one process: `python -m phoenix.lab.forward LAB_DIRECTORY`. A socket belongs to the network namespace
it was created in. The forwarder creates its outgoing sockets in the namespace `operator`. The controller's packets
therefore pass the hypervisor's firewall like those of any machine on its LAN, and this machine needs no route to the
lab. After a restart of the hypervisor, the next connection goes to the new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from phoenix.lab.errors import LabError
from phoenix.lab.machine.container import OuterContainer
from phoenix.lab.machine.namespaces import namespace_of, socket_in
from phoenix.lab.places import API_PORT, HYPERVISOR, LabPlaces

CONNECT_LIMIT = 5.0
CHUNK = 65536
PORTS = {"api": (18006, API_PORT), "ssh": (10022, 22)}
"""By name: the preferred loopback port, and the hypervisor's port."""


@dataclass(frozen=True)
class Forwarder:
    """A running forwarder: process id, start time and loopback ports."""

    pid: int
    began: str
    api: int
    ssh: int

    def alive(self) -> bool:
        """Whether the process that wrote this record still runs."""
        return start_time(self.pid) == self.began


def start_time(pid: int) -> str | None:
    """Return a process's start time in clock ticks (proc(5)): it distinguishes processes that have had the same id."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def record(lab: Path) -> Path:
    """Return the path of the file that a listening forwarder writes."""
    return lab / "forward.json"


def running(lab: Path) -> Forwarder | None:
    """Return the lab's forwarder, or None if it does not run."""
    try:
        forwarder = Forwarder(**json.loads(record(lab).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return forwarder if forwarder.alive() else None


def listener(port: int) -> socket.socket:
    """Return a listening loopback socket on the port, or on a free port if that one is in use."""
    for number in (port, 0):
        # asyncio sets TCP_NODELAY only on sockets that name the protocol. Without it, each exchange waits 0.04 s.
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", number))
            server.listen(128)
        except OSError:
            server.close()
            continue
        return server
    raise LabError("no loopback port is free; end a process that listens on 127.0.0.1")


def enable_keepalive(connection: socket.socket) -> None:
    """Make the kernel detect a dead hypervisor within seconds: a killed one sends no FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (
        (socket.TCP_KEEPIDLE, 5),
        (socket.TCP_KEEPINTVL, 5),
        (socket.TCP_KEEPCNT, 2),
        (socket.TCP_USER_TIMEOUT, 15_000),  # in milliseconds
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, seconds)


class Connector:
    """Opens connections to the hypervisor from the namespace `operator`."""

    def __init__(self, places: LabPlaces) -> None:
        self._container = OuterContainer(places)
        self._pid: int | None = None

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a port of the hypervisor; raise OSError if that fails."""
        connection = await self._socket()
        enable_keepalive(connection)
        connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
        try:
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(loop.sock_connect(connection, (HYPERVISOR, port)), CONNECT_LIMIT)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it only on its own sockets
            return await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise

    async def _socket(self) -> socket.socket:
        """Return a socket in the namespace `operator`; look up the hypervisor again if its process id has changed."""
        if self._pid:
            with contextlib.suppress(OSError):
                return socket_in(namespace_of("operator", self._pid))
        self._pid = await asyncio.to_thread(lambda: self._container.pid)
        if not self._pid:
            raise ConnectionRefusedError("the hypervisor is not running")
        return socket_in(namespace_of("operator", self._pid))


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy bytes until the source ends, then send EOF to the target."""
    try:
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
        target.write_eof()
    except OSError:
        target.close()


async def serve(places: LabPlaces) -> None:
    """Listen on the loopback ports, write the record, and forward until the process is killed."""
    connector = Connector(places)
    ports = {}
    for name, (preferred, inside) in PORTS.items():

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = inside) -> None:
            with contextlib.closing(writer):
                try:
                    far_reader, far_writer = await connector.connect(port)
                except (OSError, LabError) as error:
                    print(f"no connection to port {port}: {error!r}", flush=True)
                    return
                with contextlib.closing(far_writer):
                    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

        server = listener(preferred)
        ports[name] = server.getsockname()[1]
        await asyncio.start_server(handle, sock=server)
    here = Forwarder(os.getpid(), start_time(os.getpid()) or "", **ports)
    draft = record(places.lab).with_suffix(".new")
    draft.write_text(json.dumps(asdict(here)))
    draft.replace(record(places.lab))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(LabPlaces(Path(sys.argv[1]), LabPlaces.of_environment().cache)))
