"""Runs runbooks without loading their modules each time: a process that has loaded them forks for every run.

Loading the modules takes as long as a short run, and the lab's tests make hundreds of runs. The forked process behaves
like a new one: it has its own command line, environment, streams and exit status.
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
from phoenix.cli.process import prepare_process
from phoenix.lab.machine.namespaces import die_with_parent

SOCKET = "PHOENIX_TESTS_SOCKET"
MAX_MESSAGE = 1 << 17  # bytes


@contextmanager
def warm(folder: Path) -> Iterator[None]:
    """Keep such a process during the block; the environment variable SOCKET holds its socket's path."""
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
    """Run a script of the repository with its arguments; return its status and output."""
    with (
        TemporaryFile() as stdin,
        TemporaryFile() as stdout,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link,
    ):
        stdin.write(data)
        stdin.seek(0)
        link.settimeout(limit)
        link.connect(os.environ[SOCKET])
        message = json.dumps({"script": script, "environment": env}).encode()
        socket.send_fds(link, [message], [stdin.fileno(), stdout.fileno()])
        process = int(link.recv(MAX_MESSAGE))
        try:
            status = int(link.recv(MAX_MESSAGE))
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired(script, limit) from None
        stdout.seek(0)
        return status, stdout.read().decode("utf-8", "replace")


def _load(name: str) -> None:
    module = import_module(name)
    for inner in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
        import_module(inner.name)


def _serve(listening: socket.socket) -> None:
    """Fork for each request; return in the forked process, which then runs the script."""
    prepare_process()
    for part in pkgutil.iter_modules(phoenix.__path__, "phoenix."):
        if part.name != "phoenix.lab":
            _load(part.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        link, _ = listening.accept()
        with link:
            if os.fork() == 0:
                listening.close()
                return _take_request(link)


def _take_request(link: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, _, _ = socket.recv_fds(link, MAX_MESSAGE, 2)
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
