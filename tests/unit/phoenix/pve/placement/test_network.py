"""Node name, addresses and bridges are compared with the inventory."""

from __future__ import annotations

from ipaddress import IPv4Interface

import pytest

from phoenix.estate.model import Network
from phoenix.pve.placement.network import NodeNetwork, network_problems, read_node_network
from tests.support.estates import estate, hypervisor

ADDRESSES = """1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
3: vmbr0    inet 10.0.0.2/24 brd 10.0.0.255 scope global vmbr0\\       valid_lft forever preferred_lft forever
3: vmbr0    inet 10.0.0.3/32 scope global vmbr0\\       valid_lft forever preferred_lft forever
"""
BRIDGES = """3: vmbr0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT\\    link/ether
4: vmbr9: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN mode DEFAULT group default qlen 1000\\    link/ether
5: fwbr101i0: <BROADCAST,MULTICAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP\\    link/ether
6: vlan@vmbr0: <BROADCAST,UP> mtu 1500\\ link/ether
"""
SETTINGS: Network = estate().settings.network


def node(name: str = "node", addresses: str = ADDRESSES, bridges: str = BRIDGES) -> NodeNetwork:
    """A node with these answers."""
    return read_node_network(name, addresses, bridges)


def test_read() -> None:
    """Names, addresses and bridges are read; the firewall's own bridges are none."""
    seen = node("node.home.lan\n")
    assert seen.name == "node"
    assert seen.addresses[1] == ("vmbr0", IPv4Interface("10.0.0.2/24"))
    assert seen.bridges == {"vmbr0": True, "vmbr9": False, "vlan": True}


@pytest.mark.parametrize(
    ("seen", "options", "says"),
    [
        (node(), {}, ()),
        (node("NODE"), {}, ()),
        (node("other"), {}, ("leads to the node 'other', and `node` is 'node'",)),
        (
            node(addresses=ADDRESSES.replace("10.0.0.2/", "10.0.0.9/")),
            {},
            ("10.0.0.2 is not an address of the node, which has 10.0.0.3, 10.0.0.9",),
        ),
        (node(), {"bridge": "vmbr7"}, ("no bridge 'vmbr7', it has vlan, vmbr0, vmbr9",)),
        (
            node(),
            {"bridge": "vmbr9"},
            ("bridge vmbr9 is down: `ifup vmbr9`", "10.0.0.0/24 is on vmbr0 (10.0.0.2/24), and not on `bridge` vmbr9"),
        ),
        (
            node(addresses=ADDRESSES.replace("2/24", "2/16")),
            {},
            ("vmbr0 has the address 10.0.0.2/16, whose network is not `subnet` 10.0.0.0/24",),
        ),
        (node(addresses="3: eth0    inet 10.0.0.2/24 x"), {}, ()),
        (node("", "", ""), {}, ("leads to the node ''", "which has none", "it has none")),
    ],
)
def test_problems(seen: NodeNetwork, options: dict[str, str], says: tuple[str, ...]) -> None:
    """Each difference is a problem of its own, which names what the node has and the key to correct."""
    problems = list(network_problems(hypervisor(**options), SETTINGS, seen))
    assert len(problems) == len(says)
    assert [words for words, problem in zip(says, problems, strict=True) if words not in problem] == []
    assert all("correct" in problem or "ifup" in problem for problem in problems)
