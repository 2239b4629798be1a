"""Whom the API lane trusts: one certificate by its fingerprint, those of an authority for one name, or either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.exceptions import SSLError

from phoenix.connections.access import ApiAccess


def trusting(access: ApiAccess) -> BaseAdapter:
    """The adapter that trusts what the access file says, and nothing else."""
    ways: list[HTTPAdapter] = []
    if access.ca:
        ways.append(_Verified(access.ca, access.server))
    if access.fingerprint:
        ways.append(_Pinned(access.fingerprint))
    return ways[0] if len(ways) == 1 else _Either(*ways)


def distrusted(error: Exception) -> bool:
    """Tell whether the server was refused for its certificate, before anything was sent to it."""
    return any(words in str(error) for words in ("CERTIFICATE_VERIFY_FAILED", "Fingerprints did not match"))


class _Pinned(HTTPAdapter):
    """Accepts exactly the certificate with the pinned SHA-256 fingerprint, whoever signed it."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        super().__init__(pool_connections=1, pool_maxsize=4)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, assert_fingerprint=self._fingerprint, **kwargs)


class _Verified(HTTPAdapter):
    """Accepts a certificate for one name that leads to an anchor of the file, however it is reached."""

    def __init__(self, anchors: Path, name: str) -> None:
        self._anchors = str(anchors)
        self._name = name
        super().__init__(pool_connections=1, pool_maxsize=4)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, server_hostname=self._name, **kwargs)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        return super().send(request, *args, **{**kwargs, "verify": self._anchors})


class _Either(BaseAdapter):
    """Tries one way of trust after the other, first the one that held last; a refused handshake carries no request."""

    def __init__(self, *ways: HTTPAdapter) -> None:
        super().__init__()
        self._ways = list(ways)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        *others, last = self._ways
        for way in others:
            try:
                return way.send(request, *args, **kwargs)
            except SSLError as error:
                if not distrusted(error):
                    raise
                self._ways.remove(way)
                self._ways.append(way)
        return last.send(request, *args, **kwargs)

    def close(self) -> None:
        for way in self._ways:
            way.close()
