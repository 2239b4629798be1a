"""One SSH connection per hypervisor, with a pinned host key; it serves the node and all of its guests.

Paramiko's Transport is used directly: without agent, known_hosts and trust on first use. sshd permits ten sessions per
connection (MaxSessions, sshd_config(5)), so at most eight run at once and the rest wait.
"""

from __future__ import annotations

import socket
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from phoenix.connections.access import SshAccess
from phoenix.errors import PhoenixError

CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 15
SESSIONS = 8
SESSION_TRIES = 5


class ConnectionFailedError(PhoenixError):
    """A host is not reachable; the message names the host, its address and the cause."""


@dataclass(frozen=True)
class Completed:
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str = field(repr=False)


def parse_host_key(text: str) -> paramiko.PKey:
    """Parse a public key in the format of known_hosts(5) without the host name."""
    kind, blob = text.split()[:2]
    return paramiko.PKey.from_type_string(kind, b64decode(blob))


class SshLink:
    """An authenticated connection that runs commands; threads can share it."""

    def __init__(self, name: str, transport: paramiko.Transport) -> None:
        self.name = name
        self._transport = transport
        self._sessions = threading.BoundedSemaphore(SESSIONS)

    def run(self, command: str, data: bytes | Path = b"", limit: float = 120.0, name: str | None = None) -> Completed:
        """Run a command with bytes, or a file of the controller, as its standard input.

        `limit` is in seconds, for the whole command. `name` is the host in errors, if it is not the connected host.
        ConnectionFailedError if the connection is lost or the limit is exceeded.
        """
        host = name or self.name
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
                    raise ConnectionFailedError(f"{host}: no answer within {limit:.0f} s") from None
                raise ConnectionFailedError(f"{host}: the connection was lost: {str(error) or 'closed'}") from None

    def tunnel(self, address: str, port: int) -> paramiko.Channel:
        """Open a TCP connection from the remote host to another one; ConnectionFailedError if it is not reachable."""
        try:
            return self._transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS
            )
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise ConnectionFailedError(f"{address}:{port} is not reachable from {self.name}: {error}") from None

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    @property
    def alive(self) -> bool:
        """Report whether the connection is open."""
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
    """Connect to a hypervisor; ConnectionFailedError if it is not reachable or presents another host key."""
    where = f"{name} ({access.host}:{access.port})"
    try:
        sock = socket.create_connection((access.host, access.port), timeout=CONNECT_SECONDS)
    except OSError as error:
        raise ConnectionFailedError(f"{where}: SSH is not reachable: {error}") from None
    # A command is several small packets; without this option, each waits 0.04 s for the acknowledgment of the last one.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return handshake(sock, where, access.user, access.key_file, access.host_key)


def handshake(sock: socket.socket | paramiko.Channel, where: str, user: str, key_file: Path, host_key: str) -> SshLink:
    """Establish an SSH connection over an open TCP connection; ConnectionFailedError names `where` and the cause."""
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
        action = f"add {key_file}.pub to the authorized_keys of {user} on it"
        raise ConnectionFailedError(f"{where}: {user} was refused with the key {key_file}: {action}") from None
    except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
        reason = _describe_key(transport, host_key) if "host key" in str(error).lower() else str(error) or "closed"
        transport.close()
        raise ConnectionFailedError(f"{where}: no SSH connection: {reason}") from None
    transport.set_keepalive(KEEPALIVE_SECONDS)
    return SshLink(where, transport)


def _describe_key(transport: paramiko.Transport, pinned: str) -> str:
    """Describe a host key that is not the pinned one, by both fingerprints as ssh-keygen(1) prints them."""
    presented, expected = transport.get_remote_server_key(), parse_host_key(pinned)
    return (
        f"the host key is not the pinned one: it has the fingerprint {presented.fingerprint} ({presented.get_name()}), "
        f"and the access file pins {expected.fingerprint} ({expected.get_name()}). Compare with `ssh-keygen -lf` on "
        "the keys in /etc/ssh of the host: if the presented one is its own, correct `host_key`; otherwise another "
        "machine answers"
    )


@contextmanager
def _ended_after(limit: float, channel: paramiko.Channel) -> Iterator[threading.Event]:
    """Close a channel at the end of the block, or after `limit` seconds; the event is set in the second case."""
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
        raise EOFError("the command was killed, or the host stopped before the command ended")
    return status
