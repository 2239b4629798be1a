"""Advice on closed connections."""

from __future__ import annotations

import pytest

from phoenix.estate import Estate, Guest, Service
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.query.advice import Advice, advice
from phoenix.pve.firewall.query.endpoints import parse_endpoint, parse_traffic
from phoenix.pve.firewall.query.questions import Questions
from tests.support.estates import estate, guest
from tests.support.inventories import example
from tests.unit.phoenix.pve.firewall.query.asking import why

AGENT, QDRANT = "drphoenix services portainer-agent", "drphoenix services qdrant"


def advise(source: str, dest: str, port: str) -> Advice:
    """The advice on a connection in the example."""
    return advice(example(), parse_endpoint(example(), source), parse_endpoint(example(), dest), parse_traffic(port))


@pytest.mark.parametrize(
    ("source", "dest", "port", "text", "origin"),
    [
        ("ollama", "drphoenix", "9001", "add ollama to `clients` of the service portainer-agent", AGENT),
        ("ollama", "drphoenix", "6333", "connects to traefik by the name qdrant.internal.thinkheads.ai on 443", QDRANT),
        ("lan", "drphoenix", "9001", "add lan to `clients`", AGENT),
        ("10.0.0.77", "drphoenix", "9001", "add lan to `clients`", AGENT),
        ("10.0.0.20", "drphoenix", "9001", "add management to `clients`", AGENT),
        ("outside", "drphoenix", "9001", "clients of portainer-agent are hosts, groups, lan", AGENT),
        ("outside", "drphoenix", "6333", "qdrant is exposed and reached at nginx-gateway", QDRANT),
        ("ollama", "drphoenix", "5432", "add NAME: {port: 5432, clients: [ollama]} to", "drphoenix services"),
        ("outside", "drphoenix", "5432", "clients: […]", "drphoenix services"),
        ("ollama", "drphoenix", "5432/udp", "services of guests are reached over TCP only", ""),
        ("lan", "step-ca", "9000", "that port of step-ca is for hosts", ""),
        ("ollama", "traefik", "443", "add ollama to `clients` of an exposed service", ""),
        ("ollama", "nginx-gateway", "443", "add ollama to `clients` of an exposed service", ""),
        ("lan", "traefik", "443", "exposed services are reached at nginx-gateway", ""),
        ("lan", "pve", "22", "add its address to `management`", " network management"),
        ("ollama", "pve", "22", "pve serves only management", ""),
        ("ollama", "pve", "2049", "pve serves only management", ""),
        ("outside", "pve", "53/udp", "pve serves only management", ""),
        ("ollama", "8.8.8.8", "53/udp", "add {protocol: udp, ports: [53], purpose: …} to `egress`", " egress"),
        ("ollama", "192.168.178.20", "443", "192.168.178.20 is in a private or special network", ""),
        ("ollama", "lan", "80", "ollama may connect only to hosts of the estate", ""),
        ("outside", "pve", "icmp", "the estate's own network only", ""),
    ],
)  # fmt: skip
def test_advice(source: str, dest: str, port: str, text: str, origin: str) -> None:
    """The advice for a closed connection is a declaration and its place, or why no declaration opens it."""
    advised = advise(source, dest, port)
    assert text in advised.text
    assert " ".join(advised.origin) == origin
    assert advised.opens == any(word in advised.text for word in ("add ", "give "))


def test_advice_about_features() -> None:
    """Access to the CA follows from a group, access to NFS from a persistent storage."""
    small = estate(guest("app", 20), guest("machine", 21, kind="vm"))
    ends = {name: parse_endpoint(small, name) for name in ("app", "machine", "ca", "pve")}
    trusts = advice(small, ends["app"], ends["ca"], parse_traffic("9000"))
    stores = advice(small, ends["machine"], ends["pve"], parse_traffic("2049"))
    assert trusts == Advice("add `trusted_ca` to the groups of app", ("app", "groups"))
    assert stores == Advice("give the machine a `persistent_storage`", ("machine", "persistent_storage"))


def test_a_client_already() -> None:
    """A client of an exposed service already may connect through the mesh."""
    web = guest("web", 20, services={"site": Service(port=8000, expose=True, clients=("app",))})
    small = estate(web, guest("app", 21))
    advised = advice(small, parse_endpoint(small, "app"), parse_endpoint(small, "web"), parse_traffic("8000"))
    assert not advised.opens
    assert advised.text == "app is a client of site already, and connects to mesh by the name site.lab.test on 443"


def test_advice_helps() -> None:
    """An endpoint that is added to `clients` as advised can then connect to the service, or to the mesh."""
    chosen, tried = example(), 0
    questions = Questions(chosen, firewall_from_estate(chosen))
    for host in chosen.guests:
        for name, offered in host.services.items():
            for source in ("lan", "management", *(one.name for one in chosen.live())):
                ends, port = (
                    (parse_endpoint(chosen, source), parse_endpoint(chosen, host.name)),
                    parse_traffic(str(offered.port)),
                )
                advised = advice(chosen, *ends, port)
                if not questions.why(*ends, port)[0].is_open and advised.text.startswith(f"add {source} to `clients`"):
                    by_name = "it then connects" in advised.text
                    then = with_client(chosen, host, name, source)
                    at = ("traefik", "443") if by_name else (host.name, str(offered.port))
                    assert why(source, *at, then)[0].is_open, (source, host.name, name)
                    tried += 1
    assert tried > 50


def with_client(of: Estate, host: Guest, name: str, client: str) -> Estate:
    """The estate with one more client of a service."""
    offered = host.services[name]
    more = offered.model_copy(update={"clients": (*offered.clients, client)})
    changed = host.model_copy(update={"services": {**host.services, name: more}})
    return Estate(
        settings=of.settings,
        hypervisors=of.hypervisors,
        guests=tuple(changed if one is host else one for one in of.guests),
        templates=of.templates,
    )
