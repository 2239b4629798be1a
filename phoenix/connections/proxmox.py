"""The API connection: proxmoxer with a verified certificate, time limits, and the results of tasks.

Source: Proxmox VE API viewer. proxmoxer's own wait ignores the result of a task, and its default timeout of 5 s is
shorter than some answers of Proxmox take; both are replaced here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import Any, cast
from urllib.parse import urlsplit

from phoenix.connections.access import ApiAccess
from phoenix.conventions import PROXMOX_PORT
from phoenix.errors import PhoenixError

REQUEST_SECONDS = 40
BUSY = ("can't lock file", "is locked (", "got timeout")


class ApiError(PhoenixError):
    """Proxmox rejected a request or failed; `status` is the HTTP status, or 0 if there was no response."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class ProxmoxClient:
    """The API of one hypervisor, by token; an HTTP session serves one call at a time and is kept for the next."""

    def __init__(self, access: ApiAccess, name: str) -> None:
        self.name = name
        self.where = f"{name} ({access.url})"
        self.access = access
        self._idle: LifoQueue[Any] = LifoQueue()

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
        while True:
            try:
                api = self._idle.get_nowait()
            except Empty:
                return
            _http(api).close()

    def wait(self, upid: str, limit: float = 120.0) -> None:
        """Wait for a task; a task with warnings is successful. ApiError if it fails or takes longer than `limit` s."""
        node = upid.split(":")[1]
        path, pause, deadline = f"nodes/{node}/tasks/{upid}", 0.02, time.monotonic() + limit
        while True:
            status = self.get(f"{path}/status")
            if status["status"] == "stopped":
                break
            if time.monotonic() > deadline:
                raise ApiError(
                    f"{self.where}: task {upid} still runs after {limit:.0f} s; check it before you try again"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
        outcome = str(status.get("exitstatus", ""))
        if outcome != "OK" and not outcome.startswith("WARNINGS"):
            raise ApiError(f"{self.where}: {upid.split(':')[5]} of {upid.split(':')[6]} failed: {outcome}")

    def run(self, method: str, path: str, limit: float = 120.0, **parameters: Any) -> None:
        """Start a task and wait for it, and for a lock that is held by another task; `limit` is in seconds for each."""
        deadline = time.monotonic() + limit
        while True:
            try:
                self._task(method, path, limit, parameters)
            except ApiError as error:
                if not any(word in str(error) for word in BUSY) or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                return

    def _task(self, method: str, path: str, limit: float, parameters: dict[str, Any]) -> None:
        upid = self._call(method, path, parameters)
        if isinstance(upid, str) and upid.startswith("UPID:"):
            self.wait(upid, limit)

    def _call(self, method: str, path: str, parameters: dict[str, Any]) -> Any:
        from proxmoxer.core import ResourceException  # noqa: PLC0415 - 0.15 s that a run without the API does not need
        from requests import RequestException  # noqa: PLC0415 - the same

        renamed = {key.replace("__", "-"): value for key, value in parameters.items()}
        try:
            with self._session() as api:
                return getattr(api(path), method)(**renamed)
        except ResourceException as error:
            details = "; ".join(f"{key}: {value}" for key, value in (error.errors or {}).items())
            text = f"{error.content or error.status_message}".strip() + (f" ({details})" if details else "")
            raise ApiError(
                f"{self.where}: {method.upper()} /{path}: {error.status_code} {text}", error.status_code
            ) from None
        except RequestException as error:
            raise ApiError(f"{self.where}: the API is not reachable: {_reason(error)}") from None

    @contextmanager
    def _session(self) -> Iterator[Any]:
        try:
            api = self._idle.get_nowait()
        except Empty:
            api = self._connect()
        try:
            yield api
        finally:
            self._idle.put(api)

    def _connect(self) -> Any:
        from proxmoxer import ProxmoxAPI  # noqa: PLC0415 - as above

        from phoenix.connections.tls_adapters import tls_adapter  # noqa: PLC0415 - as above

        url = urlsplit(self.access.url)
        user, _, token = self.access.token_id.partition("!")
        api = ProxmoxAPI(
            url.hostname,
            port=url.port or PROXMOX_PORT,
            user=user,
            token_name=token,
            token_value=self.access.token_secret.get_secret_value(),
            verify_ssl=False,  # the adapter below verifies the certificate
            timeout=REQUEST_SECONDS,
        )
        session = _http(api)
        session.trust_env = False
        session.mount("https://", tls_adapter(self.access))
        return api


def _http(api: Any) -> Any:
    return cast("Any", api)._store["session"]  # noqa: SLF001  # proxmoxer has no public access to it


def _reason(error: Exception) -> str:
    text = str(error)
    if "Fingerprint" in text or "fingerprint" in text:
        return "the certificate is not the pinned one; compare the fingerprint in the access file with the node's"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = text.rsplit("certificate verify failed: ", 1)[-1].split(" (_ssl", 1)[0]
        return f"the certificate is not trusted by `ca` of the access file: {why} (see docs/web-certificate.md)"
    if "timed out" in text.lower():
        return f"no answer within {REQUEST_SECONDS} s"
    if "Connection refused" in text:
        return "connection refused; check that pveproxy runs"
    if "EOF occurred" in text or "Connection aborted" in text or "reset by peer" in text:
        return "the connection was closed at once; check that pveproxy runs"
    return text.rsplit("Caused by ", 1)[-1].strip("()")
