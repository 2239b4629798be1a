"""Questions about the firewall: who may ask whom, by which rules, and what one would declare."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings

from phoenix.estate import Estate, Guest, Service
from phoenix.pve.firewall.model.from_estate import derived_firewall
from phoenix.pve.firewall.model.intervals import address_of
from phoenix.pve.firewall.query.advice import Advice, advice
from phoenix.pve.firewall.query.endpoints import WORDS, QuestionError, party, service, spell
from phoenix.pve.firewall.query.questions import Answer, Questions
from tests.support.estates import estate, estates, guest
from tests.support.inventories import example
from tests.unit.phoenix.pve.firewall.firewalls import rule

AGENT, QDRANT = "drphoenix services portainer-agent", "drphoenix services qdrant"


def why(source: str, dest: str, port: str, of: Estate | None = None) -> tuple[Answer, ...]:
    """What the derived firewall of an estate says of a connection."""
    shown = of or example()
    asked = Questions(shown, derived_firewall(shown))
    return asked.why(party(shown, source), party(shown, dest), service(port))


def told(source: str, dest: str, port: str) -> Advice:
    """What one would declare in the example."""
    return advice(example(), party(example(), source), party(example(), dest), service(port))


@pytest.mark.parametrize(
    ("source", "dest", "port", "sides", "purpose"),
    [
        # source, destination, port; what each side that filters says; the flow
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
        # A hypervisor is asked for names at an address of its own.
        ("ollama", "pve", "53", "ollama ACCEPT, pve ACCEPT", "names"),
        ("ollama", "10.0.0.53", "53", "ollama ACCEPT, pve ACCEPT", "names"),
        ("ollama", "10.0.0.13", "53", "ollama DROP, pve ACCEPT", "names"),
        ("ollama", "ollama", "22", "", ""),
    ],
)
def test_why(source: str, dest: str, port: str, sides: str, purpose: str) -> None:
    """An answer has the verdict of each side that filters, and a connection is open if none refuses."""
    (answer,) = why(source, dest, port)
    assert ", ".join(f"{side.host} {side.verdict.action}" for side in answer.sides) == sides
    assert answer.is_open == ("DROP" not in sides)
    assert (answer.flow.purpose if answer.flow else "") == purpose


def test_deciding_rules() -> None:
    """A side says which rule decides, by its place and its comment, and which policy if none does."""
    (answer,) = why("portainer", "drphoenix", "9001")
    assert [side.direction for side in answer.sides] == ["out", "in"]
    for side, vmid in zip(answer.sides, (1001, 1002), strict=True):
        origin = side.verdict.origin
        assert origin is not None
        rule = derived_firewall(example()).guests[vmid].scope.rules[origin.position or 0]
        assert (origin.level, origin.comment, rule["dport"]) == (f"guest {vmid}", rule["comment"], "9001")
    (closed,) = why("ollama", "drphoenix", "9001")
    assert [str(side.verdict.origin) for side in closed.sides] == ["guest 914, policy_out", "guest 1002, policy_in"]


def test_part_of_a_word() -> None:
    """Where a firewall tells addresses of a word apart, each part has its answer."""
    small = estate(guest("app", 20))
    derived = derived_firewall(small)
    own = derived.guests[120]
    half = rule("in", "ACCEPT", proto="tcp", dport="80", source="10.0.0.128/25")
    opened = replace(own, scope=replace(own.scope, rules=(*own.scope.rules, half)))
    asked = Questions(small, replace(derived, guests={**derived.guests, 120: opened}))
    found = asked.why(party(small, "lan"), party(small, "app"), service("80"))
    assert [(str(address_of(one.packet.source)), one.is_open) for one in found] == [
        ("10.0.0.1", False),
        ("10.0.0.128", True),
    ]
    able = asked.who_can(party(small, "app"), service("80"))
    assert [(one.source.name, one.whole) for one in able] == [("lan", False), ("management", True)]


def test_a_word_for_nobody() -> None:
    """Where all who manage are hosts, the question is one about a host."""
    small = estate(guest("app", 20))
    network = small.settings.network.model_copy(update={"management": (IPv4Network("10.0.0.20"),)})
    small = small.model_copy(update={"settings": small.settings.model_copy(update={"network": network})})
    with pytest.raises(QuestionError, match="all addresses of management are those of hosts"):
        why("management", "pve", "22", small)
    asked = Questions(small, derived_firewall(small))
    assert asked.who_can(party(small, "pve"), service("22")) == ()


@pytest.mark.parametrize(
    ("dest", "port", "who"),
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
def test_who_can(dest: str, port: str, who: list[str]) -> None:
    """Those who can open a connection are these, and nobody else."""
    asked = Questions(example(), derived_firewall(example()))
    assert [answer.source.name for answer in asked.who_can(party(example(), dest), service(port))] == who


@settings(max_examples=20, deadline=None)
@given(small=estates())
def test_who_can_agrees_with_why(small: Estate) -> None:
    """Whatever the estate, whoever can ask is who gets an answer of the one kind, and of the other if not."""
    asked = Questions(small, derived_firewall(small))
    ends = [party(small, name) for name in (*WORDS, *(host.name for host in small.live()))]
    ports = {service(str(port)) for guest in small.guests for port in (*(s.port for s in guest.services.values()), 53)}
    for dest in (end for end in ends if end.host):
        for port in ports:
            able = {answer.source.name for answer in asked.who_can(dest, port)}
            others = [end for end in ends if end.host is not dest.host]
            assert able == {end.name for end in others if any(one.is_open for one in asked.why(end, dest, port))}


@pytest.mark.parametrize(
    ("source", "dest", "port", "says"),
    [
        ("nobody", "pve", "22", "'nobody' is nothing of the estate: hosts are pve, step-ca, "),
        ("pve", "nobody", "22", "beside them there are outside, lan, management, and IPv4 addresses"),
        ("2001:db8::1", "pve", "22", "IPv4 addresses"),
        ("copy-base", "pve", "22", "copy-base is a template"),
        ("lan", "outside", "22", "neither lan nor outside is a host of the estate"),
        ("lan", "pve", "http", "'http' is no port: say 443, 53/udp or icmp"),
        ("lan", "pve", "0", "'0' is no port"),
        ("lan", "pve", "65536", "'65536' is no port"),
        ("lan", "pve", "53/sctp", "is no port"),
        ("lan", "pve", "²", "is no port"),
    ],
)
def test_wrong_question(source: str, dest: str, port: str, says: str) -> None:
    """A question about what is not there says what is."""
    with pytest.raises(QuestionError, match=re.escape(says)):
        why(source, dest, port)


@pytest.mark.parametrize("text", ["443/tcp", "53/udp", "icmp"])
def test_spelling(text: str) -> None:
    """A service is spelt as it is asked for."""
    assert spell(service(text)) == text


@pytest.mark.parametrize(
    ("source", "dest", "port", "says", "origin"),
    [
        ("ollama", "drphoenix", "9001", "add ollama to `clients` of the service portainer-agent", AGENT),
        ("ollama", "drphoenix", "6333", "asks traefik for qdrant.internal.thinkheads.ai on 443", QDRANT),
        ("lan", "drphoenix", "9001", "add lan to `clients`", AGENT),
        ("10.0.0.77", "drphoenix", "9001", "add lan to `clients`", AGENT),
        ("10.0.0.20", "drphoenix", "9001", "add management to `clients`", AGENT),
        ("outside", "drphoenix", "9001", "clients of portainer-agent are hosts, groups, lan", AGENT),
        ("outside", "drphoenix", "6333", "qdrant is exposed, and asked for at nginx-gateway", QDRANT),
        ("ollama", "drphoenix", "5432", "add NAME: {port: 5432, clients: [ollama]} to", "drphoenix services"),
        ("outside", "drphoenix", "5432", "clients: […]", "drphoenix services"),
        ("ollama", "drphoenix", "5432/udp", "nothing opens it: services of guests are asked over TCP", ""),
        ("lan", "step-ca", "9000", "nothing opens it: that port of step-ca is for hosts", ""),
        ("ollama", "traefik", "443", "add ollama to `clients` of an exposed service", ""),
        ("ollama", "nginx-gateway", "443", "add ollama to `clients` of an exposed service", ""),
        ("lan", "traefik", "443", "nothing opens it: what is exposed is asked for at nginx-gateway", ""),
        ("lan", "pve", "22", "add its address to `management`", " network management"),
        ("ollama", "pve", "22", "nothing opens it: pve answers those who manage it", ""),
        ("ollama", "pve", "2049", "nothing opens it", ""),
        ("outside", "pve", "53/udp", "nothing opens it", ""),
        ("ollama", "8.8.8.8", "53/udp", "add {protocol: udp, ports: [53], purpose: …} to `egress`", " egress"),
        ("ollama", "lan", "80", "nothing opens it: ollama asks hosts of the estate only", ""),
        ("outside", "pve", "icmp", "nothing opens it: only the estate's own network", ""),
    ],
)  # fmt: skip
def test_advice(source: str, dest: str, port: str, says: str, origin: str) -> None:
    """A closed connection comes with what one would declare and where, or why nothing opens it."""
    found = told(source, dest, port)
    assert says in found.text
    assert " ".join(found.origin) == origin


def test_advice_about_features() -> None:
    """The authority is for who trusts it, and storage for a machine that has some."""
    small = estate(guest("app", 20), guest("machine", 21, kind="vm"))
    ends = {name: party(small, name) for name in ("app", "machine", "ca", "pve")}
    trusts = advice(small, ends["app"], ends["ca"], service("9000"))
    stores = advice(small, ends["machine"], ends["pve"], service("2049"))
    assert trusts == Advice("add `trusted_ca` to the groups of app", ("app", "groups"))
    assert stores == Advice("give the machine a `persistent_storage`", ("machine", "persistent_storage"))


def test_a_client_already() -> None:
    """Who is a client of an exposed service is told to ask for it by name."""
    web = guest("web", 20, services={"site": Service(port=8000, expose=True, clients=("app",))})
    small = estate(web, guest("app", 21))
    found = advice(small, party(small, "app"), party(small, "web"), service("8000"))
    assert found.text == "nothing opens it: app is a client of site already, and asks mesh for site.lab.test on 443"


def test_advice_helps() -> None:
    """Whoever is added to `clients` of a service as advised can then ask for it: itself, or at the mesh."""
    shown, tried = example(), 0
    asked = Questions(shown, derived_firewall(shown))
    for host in shown.guests:
        for name, offered in host.services.items():
            for source in ("lan", "management", *(one.name for one in shown.live())):
                ends, port = (party(shown, source), party(shown, host.name)), service(str(offered.port))
                said = advice(shown, *ends, port)
                if not asked.why(*ends, port)[0].is_open and said.text.startswith(f"add {source} to `clients`"):
                    by_name = said.text.endswith("itself")
                    then = with_client(shown, host, name, source)
                    at = ("traefik", "443") if by_name else (host.name, str(offered.port))
                    assert why(source, *at, then)[0].is_open, (source, host.name, name)
                    tried += 1
    assert tried > 50


def with_client(of: Estate, host: Guest, name: str, client: str) -> Estate:
    """An estate in which a service has one client more."""
    offered = host.services[name]
    more = offered.model_copy(update={"clients": (*offered.clients, client)})
    changed = host.model_copy(update={"services": {**host.services, name: more}})
    return Estate(
        settings=of.settings,
        hypervisors=of.hypervisors,
        guests=tuple(changed if one is host else one for one in of.guests),
        templates=of.templates,
    )
