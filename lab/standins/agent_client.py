"""The connection of Portainer's stand-in to an agent: TLS with the environment's client certificate and CA."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from phoenix.lab.standins.portainer_store import parse_bool

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 10


class AgentError(Exception):
    """The agent did not answer; the message has the form of Portainer's log."""


def context(environment: dict[str, Any], files: dict[str, Path]) -> ssl.SSLContext:
    """Return the TLS settings of an environment. Without `TLS`, the agent is reached over TLS but not verified."""
    tls = ssl.create_default_context(cafile=str(files["ca"]) if "ca" in files else None)
    if not parse_bool(environment.get("TLS")) or parse_bool(environment.get("TLSSkipVerify")):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if "cert" in files and "key" in files and not parse_bool(environment.get("TLSSkipClientVerify")):
        tls.load_cert_chain(files["cert"], files["key"])
    return tls


def get(environment: dict[str, Any], files: dict[str, Path], path: str) -> tuple[int, Any]:
    """Return the status and JSON of a GET to the agent; raise AgentError if there is no valid answer."""
    url = urlsplit(environment["URL"])
    try:
        connection = http.client.HTTPSConnection(
            url.hostname or "", url.port or 9001, timeout=LIMIT, context=context(environment, files)
        )
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise AgentError(f'Get "https://{url.netloc}{path}": {error}') from error
    if path == "/ping" and (response.status != 204 or not response.getheader("Portainer-Agent")):  # noqa: PLR2004
        raise AgentError(f'Get "https://{url.netloc}{path}": not an agent: status {response.status}')
    try:
        return response.status, json.loads(content) if content else None
    except ValueError:
        raise AgentError(f'Get "https://{url.netloc}{path}": the answer is not JSON') from None
