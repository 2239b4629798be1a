"""Runs runbooks without a start of Python for each: a process that has loaded their modules forks for every command.

Loading modules takes as long as a short run itself, and the lab's tests make hundreds of runs. What is forked is a
process as if started anew, with command line, environment, streams and exit status of its own.
"""

from __future__ import annotations

import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile

import phoenix
from phoenix import tasks
from phoenix.lab.machine.namespaces import die_with_parent

SOCKET = "PHOENIX_TESTS_SOCKET"
MESSAGE = 1 << 17  # bytes at most


@contextmanager
def warm(folder: Path) -> Iterator[None]:
    """Keep such a process; the environment says by which socket it is reached."""
    path = str(folder / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(path)
        listening.listen()
        number = listening.fileno()
        with subprocess.Popen((sys.executable, "-m", "tests.system.warm", str(number)), pass_fds=(number,)) as server:
            os.environ[SOCKET] = path
            try:
                yield
            finally:
                del os.environ[SOCKET]
                server.kill()


def run(script: Sequence[str], data: bytes, limit: float, env: dict[str, str]) -> tuple[int, str]:
    """Run a script of the repository with its arguments; gives status and everything it printed."""
    with (
        TemporaryFile() as given,
        TemporaryFile() as said,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link,
    ):
        given.write(data)
        given.seek(0)
        link.settimeout(limit)
        link.connect(os.environ[SOCKET])
        message = json.dumps({"script": script, "environment": env}).encode()
        socket.send_fds(link, [message], [given.fileno(), said.fileno()])
        process = int(link.recv(MESSAGE))
        try:
            status = int(link.recv(MESSAGE))
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired(script, limit) from None
        said.seek(0)
        return status, said.read().decode("utf-8", "replace")


def _serve(listening: socket.socket) -> None:
    """Fork for each request; returns in the processes that are to carry one out."""
    for package in (phoenix, tasks):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        link, _ = listening.accept()
        with link:
            if os.fork() == 0:
                listening.close()
                return _carry_out(link)


def _carry_out(link: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, _, _ = socket.recv_fds(link, MESSAGE, 2)
    process = os.fork()
    if process:
        link.send(str(process).encode())
        link.send(str(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])).encode())
        os._exit(0)
    request = json.loads(message)
    os.dup2(streams[0], 0)
    for number in (1, 2):
        os.dup2(streams[1], number)
    for number in (*streams, link.detach()):
        os.close(number)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["script"]


if __name__ == "__main__":
    die_with_parent()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_path(sys.argv[0], run_name="__main__")
