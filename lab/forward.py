"""The controller's way into the lab: loopback ports whose connections `operator` makes in the lab.

One process, started by `up`: `python -m lab.forward LAB_DIRECTORY`. A socket belongs to the network namespace
it was made in, so the controller's packets cross the hypervisor's firewall like anybody's on its LAN, and no
route to the lab exists on this machine. Where the hypervisor restarts, the next connection finds the new one.
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
WANTED = {"api": (18006, API_PORT), "ssh": (10022, 22)}


@dataclass(frozen=True)
class Forwarder:
    """A running forwarder: its process, when that began, and its ports."""

    pid: int
    began: str
    api: int
    ssh: int

    def alive(self) -> bool:
        """Whether the process is still the one that wrote this."""
        return began(self.pid) == self.began


def began(pid: int) -> str | None:
    """When a process began, as the kernel counts: with it, a process id is never taken for another's."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def record(lab: Path) -> Path:
    """The file in which the forwarder says that it listens."""
    return lab / "forward.json"


def running(lab: Path) -> Forwarder | None:
    """The lab's forwarder, if it runs."""
    try:
        found = Forwarder(**json.loads(record(lab).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.alive() else None


def listener(port: int) -> socket.socket:
    """A listening socket on the loopback, at the port or, if that is taken, at a free one."""
    for number in (port, 0):
        # The protocol is named because asyncio spares only such connections the wait for acknowledgements of 0.04 s.
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", number))
            server.listen(128)
        except OSError:
            server.close()
            continue
        return server
    raise LabError("no port is free on the loopback")


def stay_alive(connection: socket.socket) -> None:
    """Have the kernel notice a hypervisor that vanished: it sends no farewell when it is killed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (
        (socket.TCP_KEEPIDLE, 5),
        (socket.TCP_KEEPINTVL, 5),
        (socket.TCP_KEEPCNT, 2),
        (socket.TCP_USER_TIMEOUT, 15_000),  # in milliseconds
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, seconds)


class Gate:
    """Makes connections from inside the lab."""

    def __init__(self, places: LabPlaces) -> None:
        self._container = OuterContainer(places)
        self._pid: int | None = None

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the hypervisor; an OSError says why there is none."""
        made = await self._socket()
        stay_alive(made)
        made.setblocking(False)  # noqa: FBT003 - the standard library's signature
        try:
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(loop.sock_connect(made, (HYPERVISOR, port)), CONNECT_LIMIT)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it on sockets of its own only
            return await asyncio.open_connection(sock=made)
        except BaseException:
            made.close()
            raise

    async def _socket(self) -> socket.socket:
        """A socket of `operator`, found again if the hypervisor has another process id than last time."""
        if self._pid:
            with contextlib.suppress(OSError):
                return socket_in(namespace_of("operator", self._pid))
        self._pid = await asyncio.to_thread(lambda: self._container.pid)
        if not self._pid:
            raise ConnectionRefusedError("the hypervisor does not run")
        return socket_in(namespace_of("operator", self._pid))


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on bytes until the source ends, then say so to the target."""
    try:
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
        target.write_eof()
    except OSError:
        target.close()


async def serve(places: LabPlaces) -> None:
    """Forward until the process is ended."""
    gate = Gate(places)
    ports = {}
    for name, (wanted, inside) in WANTED.items():

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = inside) -> None:
            with contextlib.closing(writer):
                try:
                    far_reader, far_writer = await gate.connect(port)
                except (OSError, LabError) as error:
                    print(f"no connection to port {port}: {error!r}", flush=True)
                    return
                with contextlib.closing(far_writer):
                    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

        server = listener(wanted)
        ports[name] = server.getsockname()[1]
        await asyncio.start_server(handle, sock=server)
    here = Forwarder(os.getpid(), began(os.getpid()) or "", **ports)
    draft = record(places.lab).with_suffix(".new")
    draft.write_text(json.dumps(asdict(here)))
    draft.replace(record(places.lab))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(LabPlaces(Path(sys.argv[1]), LabPlaces.of_environment().cache)))
