"""Questions about connections: open or closed, by which rules, and from which endpoints."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings

from phoenix.estate import Estate
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.model.intervals import int_to_address
from phoenix.pve.firewall.query.endpoints import WORDS, QuestionError, parse_endpoint, parse_traffic
from phoenix.pve.firewall.query.questions import Questions
from tests.support.estates import estate, estates, guest
from tests.support.inventories import example
from tests.unit.phoenix.pve.firewall.firewalls import rule
from tests.unit.phoenix.pve.firewall.query.asking import why


@pytest.mark.parametrize(
    ("source", "dest", "port", "sides", "purpose"),
    [
        # source, destination, port; the verdict of each side that filters; the flow
        ("portainer", "drphoenix", "9001", "portainer ACCEPT, drphoenix ACCEPT", "client of portainer-agent"),
        ("10.0.0.111", "10.0.0.102", "9001/tcp", "portainer ACCEPT, drphoenix ACCEPT", "client of portainer-agent"),
        ("ollama", "drphoenix", "9001", "ollama DROP, drphoenix DROP", ""),
        ("ollama", "nginx-gateway", "443", "ollama DROP, nginx-gateway ACCEPT", "gateway"),
        ("pve", "ollama", "11434", "pve ACCEPT, ollama ACCEPT", "health probe"),
        ("pve", "ollama", "22", "pve ACCEPT, ollama DROP", ""),
        ("outside", "nginx-gateway", "443", "nginx-gateway ACCEPT", "gateway"),
        ("outside", "traefik", "8443", "traefik DROP", ""),
        ("203.0.113.9", "nginx-gateway", "80", "nginx-gateway ACCEPT", "gateway"),
        ("lan", "pve", "53/udp", "pve ACCEPT", "names"),
        ("outside", "pve", "53/udp", "pve DROP", ""),
        ("lan", "pve", "22", "pve DROP", ""),
        ("management", "pve", "22", "pve ACCEPT", "management"),
        ("10.0.0.20", "pve", "8006", "pve ACCEPT", "management"),
        ("management", "pve", "3128", "pve ACCEPT", ""),
        ("lan", "ollama", "icmp", "ollama ACCEPT", "diagnosis"),
        ("outside", "ollama", "icmp", "ollama DROP", ""),
        ("ollama", "lan", "icmp", "ollama ACCEPT", "diagnosis"),
        ("ollama", "outside", "443", "ollama ACCEPT", "packages and images"),
        ("ollama", "8.8.8.8", "53/udp", "ollama DROP", ""),
        ("ollama", "lan", "443", "ollama DROP", ""),
        ("pve", "outside", "25", "pve ACCEPT", ""),
        # A hypervisor resolves names at a second address.
        ("ollama", "pve", "53", "ollama ACCEPT, pve ACCEPT", "names"),
        ("ollama", "10.0.0.53", "53", "ollama ACCEPT, pve ACCEPT", "names"),
        ("ollama", "10.0.0.13", "53", "ollama DROP, pve ACCEPT", "names"),
        ("ollama", "ollama", "22", "", ""),
    ],
)
def test_why(source: str, dest: str, port: str, sides: str, purpose: str) -> None:
    """An answer has the verdict of each side that filters; the connection is open if none refuses."""
    (answer,) = why(source, dest, port)
    assert ", ".join(f"{side.host} {side.verdict.action}" for side in answer.sides) == sides
    assert answer.is_open == ("DROP" not in sides)
    assert (answer.flow.purpose if answer.flow else "") == purpose


def test_deciding_rules() -> None:
    """A side names the deciding rule by position and comment, or the policy."""
    (answer,) = why("portainer", "drphoenix", "9001")
    assert [side.direction for side in answer.sides] == ["out", "in"]
    for side, vmid in zip(answer.sides, (1001, 1002), strict=True):
        origin = side.verdict.origin
        assert origin is not None
        rule = firewall_from_estate(example()).guests[vmid].config.rules[origin.position or 0]
        assert (origin.level, origin.comment, rule["dport"]) == (vmid, rule["comment"], "9001")
    (closed,) = why("ollama", "drphoenix", "9001")
    assert [str(side.verdict.origin) for side in closed.sides] == ["guest 914, policy_out", "guest 1002, policy_in"]


def test_part_of_a_word() -> None:
    """If rules distinguish addresses of a word, each part has an answer."""
    small = estate(guest("app", 20))
    derived = firewall_from_estate(small)
    own = derived.guests[120]
    half = rule("in", "ACCEPT", proto="tcp", dport="80", source="10.0.0.128/25")
    opened = replace(own, config=replace(own.config, rules=(*own.config.rules, half)))
    questions = Questions(small, replace(derived, guests={**derived.guests, 120: opened}))
    answers = questions.why(parse_endpoint(small, "lan"), parse_endpoint(small, "app"), parse_traffic("80"))
    assert [(str(int_to_address(one.packet.source)), one.is_open) for one in answers] == [
        ("10.0.0.1", False),
        ("10.0.0.128", True),
    ]
    able = questions.who_can(parse_endpoint(small, "app"), parse_traffic("80"))
    assert [(one.source.name, one.whole) for one in able] == [("lan", False), ("management", True)]


def test_word_without_addresses() -> None:
    """If every management address belongs to a host, the question must name the host."""
    small = estate(guest("app", 20))
    network = small.settings.network.model_copy(update={"management": (IPv4Network("10.0.0.20"),)})
    small = small.model_copy(update={"settings": small.settings.model_copy(update={"network": network})})
    with pytest.raises(QuestionError, match="every address of management belongs to a host"):
        why("management", "pve", "22", small)
    questions = Questions(small, firewall_from_estate(small))
    assert questions.who_can(parse_endpoint(small, "pve"), parse_traffic("22")) == ()


@pytest.mark.parametrize(
    ("dest", "port", "sources"),
    [
        ("drphoenix", "9001", ["pve", "portainer"]),
        ("drphoenix", "6333", ["pve", "traefik"]),
        ("pve", "22", ["management"]),
        ("pve", "2049", ["portainer", "drphoenix"]),
        ("nginx-gateway", "443", ["outside", "lan", "management", "pve"]),
        ("ollama", "22", []),
        ("traefik", "80", ["pve", "step-ca"]),
        ("lan", "80", ["pve"]),
    ],
)
def test_who_can(dest: str, port: str, sources: list[str]) -> None:
    """The endpoints that can open a connection are exactly these."""
    questions = Questions(example(), firewall_from_estate(example()))
    assert [
        answer.source.name for answer in questions.who_can(parse_endpoint(example(), dest), parse_traffic(port))
    ] == sources


@settings(max_examples=20, deadline=None)
@given(small=estates())
def test_who_can_agrees_with_why(small: Estate) -> None:
    """For any estate, `who_can` lists exactly the endpoints for which `why` answers that the connection is open."""
    questions = Questions(small, firewall_from_estate(small))
    ends = [parse_endpoint(small, name) for name in (*WORDS, *(host.name for host in small.live()))]
    ports = {
        parse_traffic(str(port)) for guest in small.guests for port in (*(s.port for s in guest.services.values()), 53)
    }
    for dest in (end for end in ends if end.host):
        for port in ports:
            able = {answer.source.name for answer in questions.who_can(dest, port)}
            others = [end for end in ends if end.host is not dest.host]
            assert able == {end.name for end in others if any(one.is_open for one in questions.why(end, dest, port))}
