"""The resolver of the lab's Internet answers, refuses or ignores messages."""

from __future__ import annotations

import struct

import pytest

from phoenix.lab.internet.dns import answer
from phoenix.lab.internet.names import NAMES

pytestmark = pytest.mark.timeout(10)
A, AAAA = 1, 28


def query(name: str, kind: int = A, flags: int = 0x0100, questions: int = 1) -> bytes:
    """Return a DNS query with one question."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 0x1234, flags, questions, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


@pytest.mark.parametrize(
    ("name", "kind", "code", "answers"),
    [
        ("deb.debian.org", A, 0, 1),
        ("DEB.Debian.org", A, 0, 1),
        ("deb.debian.org", AAAA, 0, 0),
        ("debian.org", A, 3, 0),
        ("qdrant.internal.thinkheads.ai", A, 3, 0),
    ],
)
def test_answer(name: str, kind: int, code: int, answers: int) -> None:
    """A known name has one A record and no other record; other names do not exist."""
    response = answer(query(name, kind))
    assert response is not None
    number, flags, _, count, _, _ = struct.unpack_from("!6H", response)
    assert (number, flags & 0xF, count) == (0x1234, code, answers)
    if answers:
        assert ".".join(map(str, response[-4:])) == NAMES["deb.debian.org"]


@pytest.mark.parametrize(
    ("message", "code"),
    [(query("a", questions=2), 1), (query("a", flags=0x2900), 4), (query("a")[:13], 1)],
)
def test_refusals(message: bytes, code: int) -> None:
    """A malformed or unsupported query gets an error response."""
    response = answer(message)
    assert response is not None
    assert struct.unpack_from("!2H", response)[1] & 0xF == code


@pytest.mark.parametrize("message", [b"", b"short", query("a", flags=0x8180)])
def test_silence(message: bytes) -> None:
    """A message that is not a query, such as a response, gets no response."""
    assert answer(message) is None
