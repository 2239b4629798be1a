"""Permissions follow from the fields of flows, not from their texts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix.derive import firewall
from phoenix.derive.flows import Flow, FlowAddress, flows
from phoenix.pve.firewall.model.intervals import parse_network
from phoenix.pve.firewall.proof.permissions import addresses_of
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
