"""Estates with several nodes, and nodes beyond the guests' network: their flows, their rules and the proof."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from phoenix.derive.firewall import cluster_firewall, guest_firewall
from phoenix.derive.flows import flows
from phoenix.derive.routes import dashboard_networks
from phoenix.estate import Estate, Hypervisor, Network, Service
from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.evaluate import OUTSIDE, Packet, PacketEnd, evaluate
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.model.intervals import address_to_int
from phoenix.pve.firewall.proof.prove import prove
from tests.support.estates import estate, guest, hypervisor

ADDRESSES: dict[PacketEnd, str] = {"pve1": "10.0.0.101", "pve2": "10.0.0.102", 120: "10.0.0.20", OUTSIDE: "10.0.0.77"}
CLUSTER = [("tcp", 22), ("tcp", 3128), ("tcp", 8006), ("tcp", 60000), ("tcp", 60050), ("udp", 5405), ("udp", 5412)]
CEPH = [("tcp", 3300), ("tcp", 6789), ("tcp", 6800), ("tcp", 7300)]
CLOSED = [("tcp", 111), ("tcp", 5900), ("tcp", 59999), ("tcp", 60051), ("udp", 5404), ("udp", 5413), ("tcp", 2049)]


def node(number: int, **options: Any) -> Hypervisor:
    """One of several nodes."""
    own = {
        "name": f"pve{number}",
        "node": f"node{number}",
        "address": IPv4Address(f"10.0.0.{100 + number}"),
        "guest_resolver": IPv4Address(f"10.0.0.{110 + number}"),
    }
    return hypervisor().model_copy(update=own | options)


def nodes(*hypervisors: Hypervisor) -> Estate:
    """An estate of two nodes; the guest `app` is on the second one."""
    app = guest("app", 20, "lxc", "trusted_ca", services={"web": Service(port=8000, expose=True)})
    small = estate(app)
    guests = tuple(
        one.model_copy(update={"hypervisor": "pve2" if one.name == "app" else "pve1"}) for one in small.guests
    )
    return small.model_copy(update={"hypervisors": hypervisors, "guests": guests})


def is_open(small: Estate, source: PacketEnd, dest: PacketEnd, proto: str, port: int) -> bool:
    """Report whether the derived firewall accepts a connection between two ends."""
    ends = address_to_int(ADDRESSES[source]), address_to_int(ADDRESSES[dest])
    packet = Packet(source, dest, *ends, proto, port)
    return evaluate(Chains(firewall_from_estate(small)), packet).action == "ACCEPT"


TOGETHER = nodes(node(1), node(2))


@pytest.mark.parametrize(("source", "dest"), [("pve1", "pve2"), ("pve2", "pve1")])
@pytest.mark.parametrize(
    ("small", "opened", "closed"),
    [
        (TOGETHER, CLUSTER, [*CEPH, *CLOSED]),
        (nodes(node(1, cluster="home"), node(2, cluster="home")), CLUSTER, [*CEPH, *CLOSED]),
        (nodes(node(1, ceph=True), node(2, ceph=True)), [*CLUSTER, *CEPH], CLOSED),
        (nodes(node(1, ceph=True), node(2)), CLUSTER, [*CEPH, *CLOSED]),
        (nodes(node(1), node(2, cluster="other")), [], [*CLUSTER, *CEPH, *CLOSED]),
        (nodes(node(1, cluster="a", ceph=True), node(2, cluster="b", ceph=True)), [], [*CLUSTER, *CEPH, *CLOSED]),
    ],
)
def test_between_nodes(
    small: Estate, source: str, dest: str, opened: list[tuple[str, int]], closed: list[tuple[str, int]]
) -> None:
    """The nodes of a cluster reach each other, in both directions alike, on the ports that a cluster needs."""
    assert [port for port in (*opened, *closed) if is_open(small, source, dest, *port)] == opened
    declared = {
        (f.protocol, port)
        for f in flows(small)
        for span in f.spans
        for port in span
        if (f.source, f.dest) == (source, dest)
    }
    assert declared == set(opened)


@pytest.mark.parametrize("source", [120, OUTSIDE])
@pytest.mark.parametrize("dest", ["pve1", "pve2"])
def test_cluster_is_closed_to_others(source: PacketEnd, dest: str) -> None:
    """No guest and no other machine of the network reaches what nodes open to each other."""
    assert not [port for port in (*CLUSTER, *CEPH) if is_open(TOGETHER, source, dest, *port)]


@pytest.mark.parametrize(
    "small",
    [
        TOGETHER,
        nodes(node(1, ceph=True), node(2, ceph=True), node(3)),
        nodes(node(1, cluster="a"), node(2, cluster="b")),
        nodes(node(1, also=(IPv4Address("10.1.0.1"),)), node(2)),
    ],
)
def test_several_nodes_are_proved(small: Estate) -> None:
    """The firewall of an estate with several nodes accepts exactly its flows."""
    proof = prove(small, firewall_from_estate(small))
    assert proof.holds, list(map(str, proof.violations[:5]))


def test_no_node_is_the_local_network() -> None:
    """With several nodes, Proxmox's own rules open none of them to another; one node is open to itself only."""
    assert cluster_firewall(TOGETHER).aliases == {"local_network": "127.0.0.1"}
    assert cluster_firewall(estate()).aliases == {"local_network": "10.0.0.2"}


def beyond(address: str, gateway: str = "10.0.0.1", **options: Any) -> Estate:
    """An estate whose node has its main address elsewhere."""
    own = hypervisor().model_copy(update={"address": IPv4Address(address), **options})
    app = guest("app", 20, "vm", "trusted_ca", kind="vm", persistent_storage="/data")
    network = Network.model_validate(estate().settings.network.model_dump() | {"gateway": IPv4Address(gateway)})
    return estate(app, network=network).model_copy(update={"hypervisors": (own,)})


@pytest.mark.parametrize(
    ("small", "source"),
    [
        (beyond("10.0.0.1"), "10.0.0.1"),
        (beyond("192.168.1.10", also=(IPv4Address("10.0.0.1"),)), "10.0.0.1"),
        (beyond("192.168.1.10"), "192.168.1.10"),
        (beyond("10.0.0.2", also=(IPv4Address("10.0.0.9"),)), "10.0.0.2"),
    ],
)
def test_node_beyond_the_network(small: Estate, source: str) -> None:
    """Guests accept their node's connections from its address in their network, if it has one, and this is proved."""
    rules = guest_firewall(small, small.guest("app")).rules
    assert {rule.source for rule in rules if rule.purpose == "configuration by jump"} == {source}
    assert {rule.dest for rule in rules if rule.purpose.startswith("persistent")} == {str(small.hypervisors[0].address)}
    assert {rule.dest for rule in rules if rule.purpose == "names"} == {"10.0.0.3"}
    assert str(dashboard_networks(small)[-1]) == f"{source}/32"
    proof = prove(small, firewall_from_estate(small))
    assert proof.holds, list(map(str, proof.violations[:5]))


@pytest.mark.parametrize(
    ("servers", "dests"),
    [
        (["8.8.8.8"], {"upstream"}),
        (["10.0.0.20"], {"app"}),
        (["10.0.0.20", "8.8.8.8"], {"app", "upstream"}),
        (["10.0.0.1"], {"upstream"}),
    ],
)
def test_upstream_resolver(servers: list[str], dests: set[str]) -> None:
    """A guest that is an upstream resolver accepts the queries of every hypervisor, and of no other machine."""
    network = Network.model_validate(
        estate().settings.network.model_dump() | {"upstream_dns": tuple(map(IPv4Address, servers))}
    )
    small = nodes(node(1), node(2))
    small = small.model_copy(update={"settings": small.settings.model_copy(update={"network": network})})
    queries = {(f.source, f.dest, f.protocol) for f in flows(small) if f.purpose == "names outside the zone"}
    assert queries == {(one, dest, proto) for one in ("pve1", "pve2") for dest in dests for proto in ("udp", "tcp")}
    reached = [one for one in ("pve1", "pve2", OUTSIDE) if is_open(small, one, 120, "udp", 53)]
    assert reached == (["pve1", "pve2"] if "app" in dests else [])
    assert prove(small, firewall_from_estate(small)).holds
