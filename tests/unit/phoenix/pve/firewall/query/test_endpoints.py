"""Endpoints and traffic of a question are read from text."""

from __future__ import annotations

import re

import pytest

from phoenix.pve.firewall.query.endpoints import (
    QuestionError,
    format_traffic,
    parse_destination,
    parse_endpoint,
    parse_traffic,
)
from tests.support.estates import estate
from tests.support.inventories import example
from tests.unit.phoenix.pve.firewall.query.asking import why


@pytest.mark.parametrize(
    ("source", "dest", "port", "message"),
    [
        ("unknown", "pve", "22", "'unknown' is not an endpoint of the estate: name a host (pve, step-ca, "),
        (
            "pve",
            "unknown",
            "22",
            "), a service or another DNS name, one of outside, lan, management, or an IPv4 address",
        ),
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


ZONE = "internal.thinkheads.ai"


@pytest.mark.parametrize(
    ("source", "dest", "host", "via"),
    [
        ("lan", "qdrant", "nginx-gateway", f"qdrant.{ZONE}"),
        ("lan", f"qdrant.{ZONE}", "nginx-gateway", f"qdrant.{ZONE}"),
        ("lan", f"Qdrant.{ZONE}.", "nginx-gateway", f"qdrant.{ZONE}"),
        ("pve", f"qdrant.{ZONE}", "traefik", f"qdrant.{ZONE}"),
        ("portainer", "portainer-agent", "drphoenix", f"portainer-agent.{ZONE}"),
        ("portainer", "agent.agent.phoenix.local", "drphoenix", "agent.agent.phoenix.local"),
        ("lan", "ollama", "ollama", ""),
        ("lan", f"ollama.{ZONE}", "nginx-gateway", f"ollama.{ZONE}"),
        ("lan", f"phoenix.{ZONE}", "pve", f"phoenix.{ZONE}"),
    ],
)
def test_destination_by_name(source: str, dest: str, host: str, via: str) -> None:
    """A DNS name leads to the machine that the source finds by it; a host's own name is the host itself."""
    found = parse_destination(example(), dest, parse_endpoint(example(), source))
    assert (found.name, found.via, found.host and found.host.name) == (host, via, host)


@pytest.mark.parametrize(
    ("text", "host"), [("qdrant", "drphoenix"), (f"qdrant.{ZONE}", "drphoenix"), ("ca", "step-ca")]
)
def test_source_by_name(text: str, host: str) -> None:
    """As a source, a service's name stands for the machine that it runs on."""
    assert parse_endpoint(example(), text).name == host


def test_record_of_another_machine() -> None:
    """A record of the zone stands for its address, which no host of the estate has."""
    small = estate(records={"printer": "10.0.0.200"})
    found = parse_destination(small, "printer", None)
    assert (found.name, found.host, found.addresses) == ("printer", None, ((167772360, 167772360),))


@pytest.mark.parametrize("text", ["443/tcp", "53/udp", "icmp"])
def test_traffic(text: str) -> None:
    """Traffic is written as it is read."""
    assert format_traffic(parse_traffic(text)) == text
