"""HTTP sessions of the API connection: proxmoxer's, with a verified certificate, kept for the next request.

pveproxy closes a connection that was idle for 5 s, so an older one is renewed before it is used (recorded as
`keep-alive`).
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

REQUEST_SECONDS = 40
IDLE_SECONDS = 3.0


class ApiSessions:
    """The sessions of one client; each serves one request at a time, and threads can share them."""

    def __init__(self, access: ApiAccess) -> None:
        self._access = access
        self._idle: LifoQueue[tuple[Any, float]] = LifoQueue()

    @contextmanager
    def borrow(self) -> Iterator[Any]:
        """Use a session for the block."""
        api = self._take()
        try:
            yield api
        finally:
            self._idle.put((api, time.monotonic()))

    def close(self) -> None:
        """Close the idle sessions."""
        while True:
            try:
                api, _ = self._idle.get_nowait()
            except Empty:
                return
            _http(api).close()

    def _take(self) -> Any:
        try:
            api, since = self._idle.get_nowait()
        except Empty:
            return self._connect()
        if time.monotonic() - since > IDLE_SECONDS:
            _http(api).close()  # its connections; the session opens a new one
        return api

    def _connect(self) -> Any:
        from proxmoxer import ProxmoxAPI  # noqa: PLC0415 - 0.15 s that a run without the API does not need

        from phoenix.connections.tls_adapters import tls_adapter  # noqa: PLC0415 - the same

        url = urlsplit(self._access.url)
        user, _, token = self._access.token_id.partition("!")
        api = ProxmoxAPI(
            url.hostname,
            port=url.port or PROXMOX_PORT,
            user=user,
            token_name=token,
            token_value=self._access.token_secret.get_secret_value(),
            verify_ssl=False,  # the adapter below verifies the certificate
            timeout=REQUEST_SECONDS,
        )
        session = _http(api)
        session.trust_env = False
        session.mount("https://", tls_adapter(self._access))
        return api


def _http(api: Any) -> Any:
    return cast("Any", api)._store["session"]  # noqa: SLF001  # proxmoxer has no public access to it
