"""Errors of the API connection: what Proxmox, pveproxy and the TLS connection report → what a person can do.

Proxmox and urllib3 report most causes by text only. Sources: proxmoxer's exceptions, urllib3's messages, and the
recorded answers of Proxmox VE 8.4 (`bad-token`: one answer, with an empty body, for every cause).
"""

from __future__ import annotations

import re

from phoenix.connections.access import ApiAccess
from phoenix.errors import PhoenixError

UNAUTHORIZED = 401
UNREACHABLE_NODE, SLOW_NODE = 595, 596
"""Statuses of pveproxy: it cannot connect to the node that the path names, or that node did not answer in time."""
CLOSED_TEXTS = ("Connection aborted", "Connection broken", "EOF occurred", "reset by peer", "Broken pipe")
"""The server closed the connection, as pveproxy does after 5 s without a request, and after 100 requests."""
FINGERPRINTS = re.compile(r'Fingerprints did not match\. Expected "([^"]*)", got "?([^"\s)]*)', re.IGNORECASE)


class ApiError(PhoenixError):
    """Proxmox rejected a request or failed; `status` is the HTTP status, or 0 if there was no response."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class ApiTimeoutError(ApiError):
    """The answer did not come in time; whether a change was made is not known."""


def is_closed(error: Exception) -> bool:
    """Report whether the server closed the connection instead of an answer."""
    return any(text in str(error) for text in CLOSED_TEXTS)


def is_timeout(error: Exception) -> bool:
    """Report whether there was no answer in time."""
    return "timed out" in str(error).lower()


def describe_refusal(access: ApiAccess, status: int, text: str) -> str:
    """Describe an answer that is an error; `text` is Proxmox's own."""
    if status == UNAUTHORIZED:
        return _describe_token(access)
    if status == UNREACHABLE_NODE:
        return f"{status} {text}: the node that the path names is not reachable in its cluster; check that it runs"
    if status == SLOW_NODE:
        return f"{status} {text}: the node did not answer in time; check its load, and pvedaemon and pvestatd on it"
    return f"{status} {text}"


def describe_failure(access: ApiAccess, error: Exception, limit: float) -> str:
    """Describe why there was no answer; `limit` is that of one request in seconds."""
    text = str(error)
    if "fingerprint" in text.lower():
        return _describe_pin(access, text)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = text.rsplit("certificate verify failed: ", 1)[-1].split(" (_ssl", 1)[0]
        return f"the certificate is not trusted by `ca` of the access file: {why} (see docs/web-certificate.md)"
    if is_timeout(error):
        return f"no answer within {limit:.0f} s; check the node's load, and pveproxy and pvedaemon on it"
    if "Connection refused" in text:
        return "connection refused; check that pveproxy runs"
    if is_closed(error):
        return "the connection was closed at once; check that pveproxy runs"
    return text.rsplit("Caused by ", 1)[-1].strip("()")


def _describe_token(access: ApiAccess) -> str:
    user, _, token = access.token_id.partition("!")
    return (
        f"401: the token {access.token_id} was refused. Proxmox does not say why; ask on the node. "
        f"`pveum user list`: no {user} means that the user or its realm (@{user.partition('@')[2]}) is wrong, enable 0 "
        "that it is disabled, expire in the past that it has expired. "
        f"`pveum user token list {user}`: no {token} means that the token does not exist, expire in the past that it "
        "has expired. Otherwise `token_secret` in the access file is wrong: `pveum user token remove` and `add` make a "
        "new one (see README)"
    )


def _describe_pin(access: ApiAccess, text: str) -> str:
    match = FINGERPRINTS.search(text)
    presented = _with_colons(match[2]) if match else "another one"
    return (
        f"the certificate is not the pinned one: it has the SHA-256 fingerprint {presented}, and the access file pins "
        f"{(access.fingerprint or '').upper()}. Compare with `pvenode cert info` on the node: if the presented one is "
        "its own, correct `fingerprint`; otherwise another machine answers"
    )


def _with_colons(digits: str) -> str:
    plain = digits.replace(":", "").removeprefix("b'").rstrip("'").upper()
    return ":".join(plain[at : at + 2] for at in range(0, len(plain), 2))
