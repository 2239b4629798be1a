"""One SSH connection per hypervisor, with a pinned host key; everything on the node and in its guests goes through it.

Paramiko's Transport is used directly: no agent, no known_hosts, no first sight. sshd allows ten sessions a connection
(MaxSessions, sshd_config(5)), so at most eight run at once and the rest wait.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# A command runner that paramiko loads for an option of configuration files, which are not read here: 0.1 s.
sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]

import paramiko  # noqa: E402

from phoenix.connections.access import SshAccess  # noqa: E402
from phoenix.errors import PhoenixError  # noqa: E402

CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 15
# Paramiko tells its own story on standard error; what matters of it is in our errors.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)
SESSIONS = 8
SESSION_TRIES = 5


class ConnectionFailedError(PhoenixError):
    """A host cannot be reached; the message names it, its address, and what was tried."""


@dataclass(frozen=True)
class Completed:
    """What a command left behind."""

    status: int
    out: str
    err: str = field(repr=False)


def parse_host_key(text: str) -> paramiko.PKey:
    """Read a public key in the spelling of known_hosts(5) without the host."""
    kind, blob = text.split()[:2]
    return paramiko.PKey.from_type_string(kind, b64decode(blob))


class SshLink:
    """An authenticated connection that runs commands; safe to share between threads."""

    def __init__(self, name: str, transport: paramiko.Transport) -> None:
        self.name = name
        self._transport = transport
        self._sessions = threading.BoundedSemaphore(SESSIONS)

    def run(self, command: str, data: bytes | Path = b"", limit: float = 120.0, name: str | None = None) -> Completed:
        """Run a command with bytes, or a file of the controller, as its standard input.

        `limit` is in seconds and for all of it; `name` is what errors call the host, if it is not the one connected to.
        """
        who = name or self.name
        with self._sessions, _ended_after(limit, channel := self._session()) as ended:
            try:
                channel.settimeout(limit)
                channel.exec_command(command)
                _send(channel, data)
                channel.shutdown_write()
                out = channel.makefile("rb").read()
                err = channel.makefile_stderr("rb").read()
                return Completed(
                    _status(channel, limit), out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
                )
            except (OSError, EOFError, paramiko.SSHException) as error:
                if isinstance(error, TimeoutError) or ended.is_set():
                    raise ConnectionFailedError(f"{who}: no answer within {limit:.0f} s") from None
                raise ConnectionFailedError(f"{who}: the connection broke: {str(error) or 'closed'}") from None

    def tunnel(self, address: str, port: int) -> paramiko.Channel:
        """Open a connection from the far end of this one to another host."""
        try:
            return self._transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS
            )
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise ConnectionFailedError(f"{address}:{port} is not reachable from {self.name}: {error}") from None

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    @property
    def alive(self) -> bool:
        """Tell whether the connection still stands."""
        return self._transport.is_active()

    def _session(self) -> paramiko.Channel:
        for attempt in range(SESSION_TRIES):
            try:
                return self._transport.open_session(timeout=CONNECT_SECONDS)
            except (paramiko.ChannelException, paramiko.SSHException, EOFError) as error:
                if attempt == SESSION_TRIES - 1 or not self._transport.is_active():
                    raise ConnectionFailedError(f"{self.name}: no further session: {error}") from None
                time.sleep(0.05 * 2**attempt)
        raise AssertionError


def connect(access: SshAccess, name: str) -> SshLink:
    """Connect to a hypervisor; a host key other than the pinned one ends the attempt."""
    where = f"{name} ({access.host}:{access.port})"
    try:
        sock = socket.create_connection((access.host, access.port), timeout=CONNECT_SECONDS)
    except OSError as error:
        raise ConnectionFailedError(f"{where}: SSH is not reachable: {error}") from None
    # A command is several small packets; without this one waits until the one before is acknowledged, for 0.04 s.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return handshake(sock, where, access.user, access.key_file, access.host_key)


def handshake(sock: socket.socket | paramiko.Channel, where: str, user: str, key_file: Path, host_key: str) -> SshLink:
    """Make an SSH connection over an open one."""
    try:
        key = paramiko.PKey.from_path(key_file)
    except (OSError, paramiko.SSHException, ValueError) as error:
        sock.close()
        raise ConnectionFailedError(f"{where}: the private key {key_file} cannot be used: {error}") from None
    transport = paramiko.Transport(sock)
    transport.banner_timeout = transport.auth_timeout = transport.handshake_timeout = CONNECT_SECONDS
    try:
        transport.connect(hostkey=parse_host_key(host_key), username=user, pkey=key)
    except paramiko.AuthenticationException:
        transport.close()
        what = f"put {key_file}.pub into the authorized_keys of {user} there"
        raise ConnectionFailedError(f"{where}: {user} was refused with the key {key_file}: {what}") from None
    except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
        transport.close()
        reason = "the host key is not the pinned one" if "host key" in str(error).lower() else str(error) or "closed"
        raise ConnectionFailedError(f"{where}: no SSH connection: {reason}") from None
    transport.set_keepalive(KEEPALIVE_SECONDS)
    return SshLink(where, transport)


@contextmanager
def _ended_after(limit: float, channel: paramiko.Channel) -> Iterator[threading.Event]:
    """Close a channel at the end, or after so many seconds, which the event then tells."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        channel.close()

    clock = threading.Timer(limit, end)
    clock.daemon = True
    clock.start()
    try:
        yield ended
    finally:
        clock.cancel()
        channel.close()


def _send(channel: paramiko.Channel, data: bytes | Path) -> None:
    if isinstance(data, bytes):
        channel.sendall(data)
        return
    with data.open("rb") as source:
        while chunk := source.read(1 << 18):
            channel.sendall(chunk)


def _status(channel: paramiko.Channel, limit: float) -> int:
    if not channel.status_event.wait(limit):
        raise TimeoutError
    status = channel.recv_exit_status()
    if status < 0:
        raise EOFError("the command was killed, or the host went away before it ended")
    return status
