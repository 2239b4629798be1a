"""TLS verification for the API connection: by the certificate's fingerprint, by anchors and a name, or by either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.exceptions import SSLError

from phoenix.connections.access import ApiAccess


def tls_adapter(access: ApiAccess) -> BaseAdapter:
    """Create the adapter that accepts exactly the certificates of the access file."""
    adapters: list[HTTPAdapter] = []
    if access.ca:
        adapters.append(_Verified(access.ca, access.server))
    if access.fingerprint:
        adapters.append(_Pinned(access.fingerprint))
    return adapters[0] if len(adapters) == 1 else _Either(*adapters)


def is_certificate_error(error: Exception) -> bool:
    """Report whether the certificate of the server was rejected, which is before any request is sent."""
    return any(words in str(error) for words in ("CERTIFICATE_VERIFY_FAILED", "Fingerprints did not match"))


class _Pinned(HTTPAdapter):
    """Accept exactly the certificate with the pinned SHA-256 fingerprint, regardless of its issuer."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        super().__init__(pool_connections=1, pool_maxsize=4)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, assert_fingerprint=self._fingerprint, **kwargs)


class _Verified(HTTPAdapter):
    """Accept a certificate for one name that chains to an anchor of the file, regardless of the URL's host."""

    def __init__(self, anchors: Path, name: str) -> None:
        self._anchors = str(anchors)
        self._name = name
        super().__init__(pool_connections=1, pool_maxsize=4)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, server_hostname=self._name, **kwargs)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        return super().send(request, *args, **{**kwargs, "verify": self._anchors})


class _Either(BaseAdapter):
    """Try one adapter after the other, the last successful one first; a failed handshake sends no request."""

    def __init__(self, *adapters: HTTPAdapter) -> None:
        super().__init__()
        self._adapters = list(adapters)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        *others, last = self._adapters
        for adapter in others:
            try:
                return adapter.send(request, *args, **kwargs)
            except SSLError as error:
                if not is_certificate_error(error):
                    raise
                self._adapters.remove(adapter)
                self._adapters.append(adapter)
        return last.send(request, *args, **kwargs)

    def close(self) -> None:
        for adapter in self._adapters:
            adapter.close()
