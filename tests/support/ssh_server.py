"""A small SSH server for tests of the SSH connection: accepts one key and a few commands."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from phoenix.connections.access import SshAccess


def new_key(path: Path) -> paramiko.PKey:
    """Generate a key in a file and return it."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    path.write_bytes(pem)
    path.chmod(0o600)
    return paramiko.PKey.from_path(path)


class OneKeyServer(paramiko.ServerInterface):
    """Accepts one key of root and passes commands to the server."""

    def __init__(self, server: SshServer) -> None:
        self.server = server

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Accept root's key only."""
        accepted = username == "root" and key.asbytes() == self.server.user_key.asbytes()
        return AUTH_SUCCESSFUL if accepted else AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        """Allow public keys only."""
        assert username
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Allow session channels, several at once, like sshd."""
        assert chanid >= 0
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Answer the command in a thread."""
        threading.Thread(target=self.server.answer, args=(channel, command.decode()), daemon=True).start()
        return True


class SshServer:
    """An SSH server with one authorized key."""

    def __init__(self, folder: Path) -> None:
        self.host_key, self.user_key = new_key(folder / "host"), new_key(folder / "user")
        self.other_key = new_key(folder / "other")
        self.key_file, self.folder = folder / "user", folder
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.transports: list[paramiko.Transport] = []
        self.inside = self.most = 0
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            transport.add_server_key(self.host_key)
            self.transports.append(transport)
            try:
                transport.start_server(server=OneKeyServer(self))
            except (paramiko.SSHException, EOFError, OSError):  # a client that disconnects must not end the server
                transport.close()

    def answer(self, channel: paramiko.Channel, command: str) -> None:
        """Answer a command: `cat` echoes, `hang` sends no answer, `drop` closes the connection, others exit with 3."""
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        data = channel.makefile("rb").read()
        if command == "hang":
            return
        if command == "drop":
            channel.get_transport().close()
            return
        time.sleep(0.05 if command == "slow" else 0)
        with self.lock:
            self.inside -= 1
        channel.sendall(data if command == "cat" else b"out")
        channel.sendall_stderr(b"err")
        channel.send_exit_status(0 if command == "cat" else 3)
        channel.close()

    def access(
        self, host_key: paramiko.PKey | None = None, key_file: Path | None = None, user: str = "root"
    ) -> SshAccess:
        """Return the access to it; the arguments replace correct values."""
        key = host_key or self.host_key
        text = f"{key.get_name()} {key.get_base64()}"
        return SshAccess(host="127.0.0.1", port=self.port, user=user, host_key=text, key_file=key_file or self.key_file)

    def close(self) -> None:
        """Stop it. End the thread before the listener's descriptor: a reused descriptor would get another's clients."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()
        for transport in self.transports:
            transport.close()
