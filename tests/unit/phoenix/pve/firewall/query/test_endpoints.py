"""Endpoints and traffic of a question are read from text."""

from __future__ import annotations

import re

import pytest

from phoenix.pve.firewall.query.endpoints import QuestionError, format_traffic, parse_traffic
from tests.unit.phoenix.pve.firewall.query.asking import why


@pytest.mark.parametrize(
    ("source", "dest", "port", "message"),
    [
        ("unknown", "pve", "22", "'unknown' is not an endpoint of the estate: name a host (pve, step-ca, "),
        ("pve", "unknown", "22", "), one of outside, lan, management, or an IPv4 address"),
        ("2001:db8::1", "pve", "22", "or an IPv4 address"),
        ("copy-base", "pve", "22", "copy-base is a template"),
        ("lan", "outside", "22", "neither lan nor outside is a host of the estate"),
        ("lan", "pve", "http", "'http' is not a port: write 443, 53/udp or icmp"),
        ("lan", "pve", "0", "'0' is not a port"),
        ("lan", "pve", "65536", "'65536' is not a port"),
        ("lan", "pve", "53/sctp", "is not a port"),
        ("lan", "pve", "²", "is not a port"),
    ],
)
def test_wrong_question(source: str, dest: str, port: str, message: str) -> None:
    """A question about an unknown endpoint or port is refused with what is known."""
    with pytest.raises(QuestionError, match=re.escape(message)):
        why(source, dest, port)


@pytest.mark.parametrize("text", ["443/tcp", "53/udp", "icmp"])
def test_traffic(text: str) -> None:
    """Traffic is written as it is read."""
    assert format_traffic(parse_traffic(text)) == text
