"""Replies of curl and tables of the kernel, parsed."""

from __future__ import annotations

import pytest

from phoenix.tasks.proof.ask import read_reply
from phoenix.tasks.proof.reply import Listening, ReplyKind, read_listening

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 3C00000A:1F40 0C00000A:D431 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:18CD 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   1: 0000000000000000FFFF00003C00000A:2328 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   2: 3C00000AFF:0050 00000000:0000 0A 00000000:00000000 00:00000000
   3: 3C00000A:FFFFF 00000000:0000 0A 00000000:00000000 00:00000000
not a line of the kernel
"""


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("0 200 0.0012", "status"),
        ("0 502 0.0012", "status"),
        ("7 000 0.000000", "unconnected"),
        ("28 000 0.000000", "unconnected"),
        ("28 000 0.001", "silent"),
        ("52 000 0.001", "silent"),
        ("56 000 0.001", "silent"),
        ("35 000 0.001", "certificate"),
        ("60 000 0.001", "certificate"),
    ],
)
def test_reply(line: str, kind: ReplyKind) -> None:
    """The exit status of curl and the time of the connection tell how far a request came."""
    assert read_reply(line.split()).kind == kind


@pytest.mark.parametrize(
    ("port", "listens"),
    [(8080, False), (22, True), (8000, False), (6349, True), (9000, True), (80, False)],
)
def test_listening(port: int, *, listens: bool) -> None:
    """A program listens at the address or at all addresses; an open connection is none, and neither is loopback."""
    assert read_listening(TABLE.splitlines()).at(port, "10.0.0.60") is listens


def test_addresses() -> None:
    """Addresses are read as they are written elsewhere, mapped ones as those of IPv4."""
    seen = read_listening(TABLE.splitlines())
    assert seen == Listening(
        {
            8080: frozenset({"127.0.0.1"}),
            22: frozenset({"0.0.0.0"}),
            6349: frozenset({"::"}),
            9000: frozenset({"10.0.0.60"}),
        }
    )
