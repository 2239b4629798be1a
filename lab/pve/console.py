"""Shared by the stand-ins in ``bin/``: calls the API over its Unix socket as root@pam and prints its answers.

The scripts must start fast, so this module imports little, and only from the standard library.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

SOCKET = "/run/phoenix-lab-pve.sock"
NODE = "/nodes/phoenix"
_LIMIT = 300


def fail(message: str, status: int = 255) -> NoReturn:
    """Print a message to stderr and exit."""
    print(message, file=sys.stderr)
    sys.exit(status)


def call(method: str, path: str, **fields: object) -> Any:
    """Send a request to the API and return its data; exit with the API's message if it is refused."""
    body = urlencode(fields).encode() if method in ("POST", "PUT") else b""
    query = "?" + urlencode(fields) if fields and not body else ""
    head = (
        f"{method} /api2/json{path}{query} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    status, answer = _exchange(head.encode() + body)
    if status != 200:  # noqa: PLR2004
        errors = "".join(f"\n{key}: {text}" for key, text in (answer.get("errors") or {}).items())
        fail(str(answer.get("message", f"status {status}")).strip() + errors)
    return answer.get("data")


def _exchange(request: bytes) -> tuple[int, dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_LIMIT)
        try:
            connection.connect(SOCKET)
        except OSError as error:
            fail(f"ipcc_send_rec failed: the lab's API does not answer at {SOCKET}: {error.strerror}")
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body or b"{}")


def finish(upid: str) -> None:
    """Wait for a task; exit with its error if it fails."""
    path, deadline = f"{NODE}/tasks/{quote(upid, safe='')}/status", time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        status = call("GET", path)
        if status["status"] == "stopped":
            if status["exitstatus"] != "OK" and not status["exitstatus"].startswith("WARNINGS"):
                fail(status["exitstatus"])
            return
        time.sleep(0.02)
    fail(f"task {upid} did not end within {_LIMIT} s")


def options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the options (``-x v``, ``--x v``, ``--x=v``; a flag without a value is 1) and the other words."""
    parsed: dict[str, str] = {}
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if not word.startswith("-"):
            rest.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals:
            value = queue.pop(0) if queue and not queue[0].startswith("-") else "1"
        parsed[name] = value
    return parsed, rest


def kind_of(vmid: str) -> str:
    """Return a guest's kind, ``lxc`` or ``qemu``; exit if there is no such guest."""
    for kind in ("lxc", "qemu"):
        if vmid in (str(guest["vmid"]) for guest in call("GET", f"{NODE}/{kind}")):
            return kind
    fail(f"Configuration file 'nodes/phoenix/lxc/{vmid}.conf' does not exist")


def show_config(kind: str, vmid: str) -> None:
    """Print a guest's configuration."""
    for key, value in sorted(call("GET", f"{NODE}/{kind}/{vmid}/config", current=1).items()):
        if key != "digest":
            print(f"{key}: {quote(value, safe=' /') if key == 'description' else value}")


def move(kind: str, vmid: str, action: str, **fields: object) -> None:
    """Start, stop, shut down or reboot a guest, and wait for the task's end."""
    finish(call("POST", f"{NODE}/{kind}/{vmid}/status/{action}", **fields))


def run_inside(vmid: str, command: Sequence[str]) -> NoReturn:
    """Replace this process with a command inside a running guest."""
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    term = f"TERM={os.environ.get('TERM', 'linux')}"
    argv = ["lxc-attach", "-n", vmid, "--clear-env", "-v", path, "-v", "HOME=/root", "-v", term, "--", *command]
    os.execvp("lxc-attach", argv)  # noqa: S606 - stdin, stdout and status are the command's
