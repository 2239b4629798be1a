"""How the stand-in for Portainer reaches an agent: TLS with the environment's certificate and authority."""

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
    """The agent could not be asked; the message is what the real one would log."""


def context(environment: dict[str, Any], files: dict[str, Path]) -> ssl.SSLContext:
    """The TLS settings of an environment. Without `TLS` an agent is still asked over it, but not verified."""
    made = ssl.create_default_context(cafile=str(files["ca"]) if "ca" in files else None)
    if not parse_bool(environment.get("TLS")) or parse_bool(environment.get("TLSSkipVerify")):
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if "cert" in files and "key" in files and not parse_bool(environment.get("TLSSkipClientVerify")):
        made.load_cert_chain(files["cert"], files["key"])
    return made


def ask(environment: dict[str, Any], files: dict[str, Path], path: str) -> tuple[int, Any]:
    """The agent's answer to a GET."""
    place = urlsplit(environment["URL"])
    try:
        connection = http.client.HTTPSConnection(
            place.hostname or "", place.port or 9001, timeout=LIMIT, context=context(environment, files)
        )
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise AgentError(f'Get "https://{place.netloc}{path}": {error}') from error
    if path == "/ping" and (response.status != 204 or not response.getheader("Portainer-Agent")):  # noqa: PLR2004
        raise AgentError(f'Get "https://{place.netloc}{path}": not an agent: status {response.status}')
    try:
        return response.status, json.loads(content) if content else None
    except ValueError:
        raise AgentError(f'Get "https://{place.netloc}{path}": the answer is not JSON') from None
