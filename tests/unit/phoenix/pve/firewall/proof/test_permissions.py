"""Permissions follow from the fields of flows, not from their texts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from phoenix.derive import firewall
from phoenix.derive.flows import Flow, FlowAddress, flows
from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.evaluate import Packet, evaluate
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.model.intervals import ANY_V4, address_to_int, parse_network, subtract
from phoenix.pve.firewall.proof.permissions import addresses_of
from tests.support.estates import estate
from tests.support.inventories import example


@pytest.mark.parametrize(("at", "address"), [("host", "10.0.0.13"), ("resolver", "10.0.0.53")])
@pytest.mark.parametrize("purpose", ["names", "any other text"])
def test_address_of_hypervisor(at: FlowAddress, address: str, purpose: str) -> None:
    """Both readings of a flow take the hypervisor's address from its field `at`, whatever the purpose."""
    flow = Flow("pve", "ollama", "udp", (53,), purpose, at=at)
    (rule,) = firewall._rules("out", example(), flow)
    assert rule.dest == address
    assert addresses_of(example(), flow.dest, flow.at) == (parse_network(address),)


def test_flows_to_the_resolver() -> None:
    """Flows to port 53 of a hypervisor are to its resolver, and no other flow is."""
    at_resolver = {flow for flow in flows(example()) if flow.at == "resolver"}
    assert at_resolver == {flow for flow in flows(example()) if (flow.dest, flow.ports) == ("pve", (53,))}


def test_address_is_no_part_of_identity() -> None:
    """Two flows that differ in `at` alone are equal, so it changes neither order nor number of flows."""
    flow = flows(example())[0]
    assert replace(flow, at="resolver") == replace(flow, at="host")


@pytest.mark.parametrize("subnet", ["10.0.0.0/24", "192.168.1.0/24", "9.9.0.0/16"])
def test_both_readings_of_the_internet(subnet: str) -> None:
    """The set of the rules and the proof's own statement exclude the same addresses."""
    network = estate().settings.network.model_copy(update={"subnet": IPv4Network(subnet)})
    small = estate(network=network)
    rest = ANY_V4
    for excluded in (subnet, *firewall.NOT_INTERNET):
        rest = subtract(rest, parse_network(excluded))
    assert addresses_of(small, "internet") == rest


@pytest.mark.parametrize(
    "sibling", ["192.168.178.1", "172.16.0.1", "100.64.0.1", "169.254.1.1", "224.0.0.1", "127.0.0.1"]
)
def test_egress_opens_no_other_network(sibling: str) -> None:
    """A guest's egress reaches the Internet, but no other private or special network of the home."""
    packets = (
        Packet(914, "", address_to_int("10.0.0.155"), address_to_int(to), "tcp", 443) for to in ("8.8.8.8", sibling)
    )
    chains = Chains(firewall_from_estate(example()))
    assert [evaluate(chains, packet).action for packet in packets] == ["ACCEPT", "DROP"]
