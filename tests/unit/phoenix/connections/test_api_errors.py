"""Errors of the API: what is reported by status or text, and what the message tells a person to do."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from phoenix.connections.access import ApiAccess
from phoenix.connections.api_errors import describe_failure, describe_refusal

PIN = ":".join(["AB"] * 32)
ACCESS = ApiAccess(
    url="https://10.0.0.13:8006",
    fingerprint=PIN,
    token_id="phoenix@pve!deploy",
    token_secret=SecretStr("11111111-2222-3333-4444-555555555555"),
)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, ("no phoenix@pve", "realm (@pve)", "disabled", "expired", "token_secret", "no deploy means")),
        (500, ("500 no such VM",)),
        (595, ("not reachable in its cluster",)),
        (596, ("did not answer in time", "pvestatd")),
    ],
)
def test_refusals(status: int, says: tuple[str, ...]) -> None:
    """An answer with an error status is described by its causes and how to tell them apart."""
    text = describe_refusal(ACCESS, status, "no such VM")
    assert [words for words in says if words not in text] == []
    assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'Fingerprints did not match. Expected "{"ab" * 32}", got "{"0f" * 32}"', f"{':'.join(['0F'] * 32)}, and"),
        ("Read timed out. (read timeout=40)", "no answer within 40 s"),
        ("Connection refused", "check that pveproxy runs"),
        ("('Connection aborted.', RemoteDisconnected())", "closed at once"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: expired (_ssl.c:1)",
            "`ca` of the access file: exp",
        ),
        ("Max retries exceeded (Caused by (No route to host))", "No route to host"),
    ],
)
def test_failures(text: str, says: str) -> None:
    """A request without an answer is described by its cause."""
    assert says in describe_failure(ACCESS, OSError(text), 40)


def test_both_fingerprints() -> None:
    """A certificate that is not the pinned one is described by the presented and by the pinned fingerprint."""
    text = describe_failure(ACCESS, OSError(f'Fingerprints did not match. Expected "x", got "{"0f" * 32}"'), 40)
    assert PIN in text
    assert ":".join(["0F"] * 32) in text
