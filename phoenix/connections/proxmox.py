"""The API connection: requests with time limits, the results of tasks, and the wait for locks.

Source: Proxmox VE API viewer. proxmoxer's own wait ignores the result of a task, and its default timeout of 5 s is
shorter than some answers of Proxmox take; both are replaced here.
"""

from __future__ import annotations

import re
import time
from typing import Any

from phoenix.connections import api_sessions
from phoenix.connections.access import ApiAccess
from phoenix.connections.api_errors import (
    SLOW_NODE,
    ApiError,
    ApiTimeoutError,
    describe_failure,
    describe_refusal,
    is_closed,
    is_timeout,
)
from phoenix.connections.api_sessions import ApiSessions
from phoenix.connections.locks import LOCK_SECONDS, how_to_unlock, lock_in, repeat_while_locked
from phoenix.connections.waits import Wait, Waits

__all__ = ["ApiError", "ApiTimeoutError", "ProxmoxClient"]

TASK_SECONDS = 120.0
GUEST_PATH = re.compile(r"/(lxc|qemu)/(\d+)(/|$)")
GUEST_WORDS = {"lxc": "CT", "qemu": "VM"}


class ProxmoxClient:
    """The API of one hypervisor, by token. `waits` announces what takes long."""

    def __init__(self, access: ApiAccess, name: str, waits: Waits | None = None) -> None:
        self.name = name
        self.where = f"{name} ({access.url})"
        self.access = access
        self._waits = waits or Waits()
        self._sessions = ApiSessions(access)

    def get(self, path: str, **parameters: Any) -> Any:
        """Read; ApiError if it fails."""
        return self._call("get", path, parameters)

    def post(self, path: str, **parameters: Any) -> Any:
        """Create, or start an action; ApiError if it fails."""
        return self._call("post", path, parameters)

    def put(self, path: str, **parameters: Any) -> Any:
        """Update; ApiError if it fails."""
        return self._call("put", path, parameters)

    def delete(self, path: str, **parameters: Any) -> Any:
        """Remove; ApiError if it fails."""
        return self._call("delete", path, parameters)

    def close(self) -> None:
        """Close the idle connections; a further call opens a new one."""
        self._sessions.close()

    def wait(self, upid: str, limit: float = TASK_SECONDS) -> None:
        """Wait for a task; a task with warnings is successful. ApiError if it fails or takes longer than `limit` s."""
        kind, subject = upid.split(":")[5:7]
        with self._waits.waiting(f"the task {kind} of {subject}", limit, self.name) as wait:
            status = self._ended(upid, wait)
        outcome = str(status.get("exitstatus", ""))
        if outcome != "OK" and not outcome.startswith("WARNINGS"):
            raise ApiError(f"{self.where}: {kind} of {subject} failed: {outcome}")

    def run(self, method: str, path: str, limit: float = TASK_SECONDS, **parameters: Any) -> None:
        """Make a change and wait for its task, and before for a lock that another task holds; ApiError if it fails.

        `limit` is in seconds from the start of the task. The wait for a lock ends after LOCK_SECONDS. A call that
        starts no task ends with its answer.
        """
        subject, last = _subject(path), ApiError("")

        def attempt() -> str:
            nonlocal last
            try:
                self._task(method, path, limit, parameters)
            except ApiError as error:
                last = error
                if lock := lock_in(str(error)):
                    return lock
                raise
            return ""

        if not repeat_while_locked(self._waits, subject, attempt, LOCK_SECONDS):
            raise ApiError(f"{last}; {how_to_unlock(subject, LOCK_SECONDS)}", last.status)

    def _task(self, method: str, path: str, limit: float, parameters: dict[str, Any]) -> None:
        upid = self._call(method, path, parameters)
        if isinstance(upid, str) and upid.startswith("UPID:"):
            self.wait(upid, limit)

    def _ended(self, upid: str, wait: Wait) -> dict[str, Any]:
        """Return the status of a task when it has ended. A slow answer about it does not end the wait."""
        path, pause = f"nodes/{upid.split(':')[1]}/tasks/{upid}/status", 0.02
        while True:
            try:
                status: dict[str, Any] = self.get(path)
            except ApiTimeoutError:
                if wait.is_expired:
                    raise
                continue
            if status["status"] == "stopped":
                return status
            if wait.is_expired:
                raise ApiError(
                    f"{self.where}: task {upid} still runs after {wait.limit:.0f} s; check it before you try again"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)

    def _call(self, method: str, path: str, parameters: dict[str, Any]) -> Any:
        """Send a request. Only a read is repeated, once: a write may have been carried out."""
        from proxmoxer.core import ResourceException  # noqa: PLC0415 - 0.15 s that a run without the API does not need
        from requests import RequestException  # noqa: PLC0415 - the same

        try:
            return self._send(method, path, parameters)
        except ResourceException as error:
            details = "; ".join(f"{key}: {value}" for key, value in (error.errors or {}).items())
            text = f"{error.content or error.status_message}".strip() + (f" ({details})" if details else "")
            kind = ApiTimeoutError if error.status_code == SLOW_NODE else ApiError
            refusal = describe_refusal(self.access, error.status_code, text)
            raise kind(f"{self.where}: {method.upper()} /{path}: {refusal}", error.status_code) from None
        except RequestException as error:
            failure = describe_failure(self.access, error, api_sessions.REQUEST_SECONDS)
            unknown = "" if method == "get" or not is_timeout(error) else _UNKNOWN.format(f"{method.upper()} /{path}")
            kind = ApiTimeoutError if is_timeout(error) else ApiError
            raise kind(f"{self.where}: the API is not reachable: {failure}{unknown}") from None

    def _send(self, method: str, path: str, parameters: dict[str, Any]) -> Any:
        from requests import RequestException  # noqa: PLC0415 - as above

        renamed = {key.replace("__", "-"): value for key, value in parameters.items()}
        try:
            with self._sessions.borrow() as api:
                return getattr(api(path), method)(**renamed)
        except RequestException as error:
            if method != "get" or not is_closed(error):
                raise
        with self._sessions.borrow() as api:
            return getattr(api(path), method)(**renamed)


_UNKNOWN = ". Whether {} was carried out is not known: look at the node's task list before you try again"


def _subject(path: str) -> str:
    """Name the guest of an API path as Proxmox does, or return the path."""
    match = GUEST_PATH.search(f"/{path}")
    return f"{GUEST_WORDS[match[1]]} {match[2]}" if match else f"/{path}"
