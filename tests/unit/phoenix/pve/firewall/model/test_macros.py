"""Proxmox's macros open exactly the documented ports, source ports and ICMP types, in the model and in the lab."""

from __future__ import annotations

import pytest

from phoenix.lab.pve.packet_filter.compiler import EMPTY, FilterInput, compile_filter
from phoenix.pve.firewall.model.macros import MACROS
from tests.unit.phoenix.pve.firewall.firewalls import action, firewall, guest, packet, rule

UDP, TCP = "udp", "tcp"


def opens(macro: str, proto: str, dport: int = 0, **more: object) -> bool:
    """Report whether a guest that has only a rule with this macro accepts a packet."""
    config = firewall(guests={101: guest(rule("in", "ACCEPT", macro=macro), dhcp=0, ndp=0)})
    return action(config, packet("", 101, proto, dport, **more)) == "ACCEPT"


@pytest.mark.parametrize(
    ("macro", "proto", "inside", "beside"),
    [
        ("Amanda", UDP, [10080], [10079, 10081]),
        ("Amanda", TCP, [10080], [10079, 10081]),
        ("BitTorrent", TCP, [6881, 6889], [6880, 6890]),
        ("BitTorrent", UDP, [6881], [6882]),
        ("BitTorrent32", TCP, [6881, 6999], [6880, 7000]),
        ("BitTorrent32", UDP, [6881], [6882]),
        ("Citrix", TCP, [1494, 2598], [1604]),
        ("Citrix", UDP, [1604], [1494, 2598]),
        ("DCC", TCP, [6277], [6278]),
        ("GNUnet", TCP, [2086, 1080], [1081]),
        ("GNUnet", UDP, [2086, 1080], [1081]),
        ("SMB", UDP, [135, 445, 137, 139], [136, 140, 1024]),
        ("SMB", TCP, [135, 139, 445], [137, 138]),
        ("SMBswat", TCP, [901], [902]),
        ("SixXS", TCP, [3874], [3740]),
        ("SixXS", UDP, [3740, 5072, 8374], [3874, 5073]),
        ("Trcrt", UDP, [33434, 33524], [33433, 33525]),
    ],
)
def test_ports(macro: str, proto: str, inside: list[int], beside: list[int]) -> None:
    """A macro opens its ports to clients with usual source ports, and none beside them."""
    assert [port for port in (*inside, *beside) if opens(macro, proto, port)] == inside


@pytest.mark.parametrize(
    ("macro", "dport", "inside", "beside"),
    [
        ("DHCPfwd", 67, [67, 68], [66, 69, 49152]),
        ("DHCPv6", 546, [546, 547], [545, 548, 49152]),
        ("IPsec", 500, [500], [499, 4500, 49152]),
        ("IPsecah", 500, [500], [499, 49152]),
        ("IPsecnat", 500, [500, 49152], []),
        ("SMB", 2000, [137], [138, 49152]),
    ],
)
def test_source_ports(macro: str, dport: int, inside: list[int], beside: list[int]) -> None:
    """A macro that names source ports opens its port only to packets from these."""
    assert [sport for sport in (*inside, *beside) if opens(macro, UDP, dport, sport=sport)] == inside


@pytest.mark.parametrize(
    ("macro", "proto", "icmp"),
    [
        ("Trcrt", "icmp", "echo-request"),
        ("Trcrt", "icmpv6", "echo-request"),
        ("NeighborDiscovery", "icmpv6", "router-solicitation"),
        ("NeighborDiscovery", "icmpv6", "router-advertisement"),
        ("NeighborDiscovery", "icmpv6", "neighbour-solicitation"),
        ("NeighborDiscovery", "icmpv6", "neighbour-advertisement"),
        ("SixXS", "41", ""),
        ("IPsec", "50", ""),
        ("IPsecah", "51", ""),
    ],
)
def test_other_protocols(macro: str, proto: str, icmp: str) -> None:
    """A macro opens its ICMP types and its protocols without ports."""
    assert opens(macro, proto, icmp=icmp)
    assert not opens("SSH", proto, icmp=icmp)


def test_lab_compiles_every_macro() -> None:
    """The lab compiles each macro to one rule per opening, with the same source ports."""
    rules = [rule("in", "ACCEPT", macro=name) for name in MACROS]
    filtered = compile_filter(FilterInput({**EMPTY, "rules": rules}, EMPTY, {}, (), "10.0.0.0/24"))
    labelled = [one for one in filtered.host_in if one.label.startswith("cluster rule")]
    assert filtered.skipped == ()
    assert len(labelled) == sum(map(len, MACROS.values()))
    assert [bool(one.match.sport) for one in labelled] == [bool(o.sport) for os in MACROS.values() for o in os]
