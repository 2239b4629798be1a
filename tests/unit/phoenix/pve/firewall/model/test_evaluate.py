"""Verdicts of the model, by hand, for what the recording in `replay/test_compare.py` does not cover."""

from __future__ import annotations

import pytest

from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Firewall, IpSetEntry, LevelConfig
from phoenix.pve.firewall.model.evaluate import Packet, PacketEnd, evaluate
from tests.unit.phoenix.pve.firewall.firewalls import MAC, action, firewall, guest, on_nftables, packet, rule

ACCEPT_WEB = rule("in", "ACCEPT", proto="tcp", dport="80")
SMB = rule("in", "ACCEPT", proto="tcp", dport="445")
ENTRIES = (
    IpSetEntry("10.0.0.0/24"),
    IpSetEntry("10.0.0.101", nomatch=True),
    IpSetEntry("10.0.0.96/27", nomatch=True),
    IpSetEntry("10.0.0.102"),
)


SOME = firewall(guests={101: guest(rule("in", "ACCEPT", source="+some"))}, ipsets={"some": ENTRIES})
BLACKLISTED = firewall(guests={101: guest(ACCEPT_WEB)}, ipsets={"blacklist": (IpSetEntry("203.0.113.0/24"),)})
FROM_53 = firewall(guests={101: guest(rule("in", "ACCEPT", proto="udp", sport="53"))})
V6 = firewall(guests={101: guest(rule("in", "ACCEPT", source="2001:db8::/32"))})
NO_DHCP = firewall(guests={101: guest(policy_in="ACCEPT", dhcp=0)})


def two_sets(source: str) -> Firewall:
    """A guest's set and an empty set of the cluster with the same name, and a rule for one of them."""
    own = {"own": (IpSetEntry("10.0.0.102"),)}
    return firewall(guests={101: guest(rule("in", "ACCEPT", source=source), ipsets=own)}, ipsets={"own": ()})


def over_v6(sender: PacketEnd, receiver: PacketEnd, kind: str) -> Packet:
    """A message of IPv6 neighbor discovery."""
    return packet(sender, receiver, "icmpv6", 0, icmp=kind, source="fe80::1", dest="ff02::1")


@pytest.mark.parametrize(
    ("config", "one", "expected"),
    [
        # The first enabled rule that matches decides.
        (firewall(guests={101: guest(ACCEPT_WEB, rule("in", "DROP"))}), packet("", 101), "ACCEPT"),
        (firewall(guests={101: guest(rule("in", "DROP"), ACCEPT_WEB)}), packet("", 101), "DROP"),
        (firewall(guests={101: guest({**ACCEPT_WEB, "enable": 0})}), packet("", 101), "DROP"),
        (firewall(guests={101: guest({"type": "in", "action": "ACCEPT"})}), packet("", 101), "DROP"),
        # Silent drops come before a policy that refuses, and after the rules.
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, dport=445), "DROP"),
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, dport=446), "REJECT"),
        (firewall(guests={101: guest(SMB, policy_in="REJECT")}), packet("", 101, dport=445), "ACCEPT"),
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, "udp", 1900), "DROP"),
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, "udp", 5000, sport=53), "DROP"),
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, syn=False), "DROP"),
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, broadcast=True), "DROP"),
        (firewall(guests={101: guest()}), packet("", 101, "icmp", 0, icmp="time-exceeded"), "ACCEPT"),
        (firewall(guests={101: guest(policy_in="ACCEPT")}), packet("", 101, dport=445), "ACCEPT"),
        # A guest's DHCP is accepted unless the option is off.
        (firewall(guests={101: guest(policy_out="DROP")}), packet(101, "", "udp", 67, sport=68), "ACCEPT"),
        (firewall(guests={101: guest(policy_out="DROP", dhcp=0)}), packet(101, "", "udp", 67, sport=68), "DROP"),
        (firewall(guests={101: guest()}), packet("", 101, "udp", 68, sport=67), "ACCEPT"),
        # A guest sends from its own MAC, and with the ipfilter from its own address.
        (firewall(guests={101: guest()}), packet(101, "", mac="BC:24:11:00:00:01"), "DROP"),
        (firewall(guests={101: guest()}), packet(101, "", mac=MAC.lower()), "ACCEPT"),
        (firewall(guests={101: guest(macfilter=0)}), packet(101, "", mac="BC:24:11:00:00:01"), "ACCEPT"),
        (firewall(guests={101: guest(ipfilter=1)}), packet(101, "", source="10.0.0.99"), "DROP"),
        (firewall(guests={101: guest(ipfilter=1)}), packet(101, ""), "ACCEPT"),
        # The blacklist comes before all rules.
        (BLACKLISTED, packet("", 101), "DROP"),
        # The most specific entry of a set decides.
        (SOME, packet(102, 101), "ACCEPT"),
        (SOME, packet("", 101, source="10.0.0.103"), "DROP"),
        (SOME, packet("pve", 101), "ACCEPT"),
        # A guest's own set comes before the cluster's of the same name.
        (two_sets("+own"), packet(102, 101), "ACCEPT"),
        (two_sets("+dc/own"), packet(102, 101), "DROP"),
        # The source port and the interface of a rule count.
        (FROM_53, packet("", 101, "udp", 9), "DROP"),
        (FROM_53, packet("", 101, "udp", 9, sport=53), "ACCEPT"),
        (firewall(guests={101: guest({**ACCEPT_WEB, "iface": "net1"})}), packet("", 101), "DROP"),
        (firewall(guests={101: guest({**ACCEPT_WEB, "iface": "net0"})}), packet("", 101), "ACCEPT"),
        # A node's rules come before the cluster's, and management access after both.
        (firewall(rule("in", "ACCEPT"), node=LevelConfig({}, (rule("in", "DROP"),))), packet("", "pve"), "DROP"),
        (firewall(rule("in", "DROP")), packet("", "pve", dport=22, source="10.0.0.99"), "DROP"),
        (firewall(), packet("", "pve", dport=22, source="10.0.0.99"), "ACCEPT"),
        (firewall(aliases={"local_network": "10.0.0.13"}), packet("", "pve", dport=22, source="10.0.0.99"), "DROP"),
        (firewall(node=LevelConfig({"enable": 0})), packet("", "pve"), "ACCEPT"),
        # Established connections stay open; with the cluster's switch off, no packet is filtered.
        (firewall(guests={101: guest()}), packet("", 101, established=True), "ACCEPT"),
        (firewall(guests={101: guest()}, options={"enable": 0}), packet("", 101), "ACCEPT"),
        # IPv6: neighbor discovery is accepted; a guest may not act as a router.
        (firewall(guests={101: guest(policy_out="DROP")}), over_v6(101, "", "neighbour-solicitation"), "ACCEPT"),
        (firewall(guests={101: guest()}), over_v6(101, "", "router-advertisement"), "DROP"),
        (V6, packet("", 101, source="2001:db8::1", dest="2001:db8::2"), "ACCEPT"),
        (V6, packet("", 101), "DROP"),
    ],
)  # fmt: skip
def test_verdict(config: Firewall, one: Packet, expected: str) -> None:
    """The verdict is the one that the Administration Guide describes."""
    assert action(config, one) == expected


@pytest.mark.parametrize(
    ("config", "one", "expected"),
    [
        (firewall(rule("in", "DROP")), packet("", "pve", dport=22, source="10.0.0.99"), ("DROP", "ACCEPT")),
        (firewall(guests={101: guest(rule("in", "REJECT"))}), packet("", 101), ("REJECT", "DROP")),
        (NO_DHCP, packet("", 101, "udp", 68, sport=67), ("ACCEPT", "DROP")),
    ],
)  # fmt: skip
def test_backends_differ(config: Firewall, one: Packet, expected: tuple[str, str]) -> None:
    """The verdicts of the two backends differ as the guide describes."""
    assert (action(config, one), action(on_nftables(config), one)) == expected


def test_verdict_names_its_rule() -> None:
    """A verdict names the deciding rule; in a group, the group's rule, too."""
    chains = Chains(
        firewall(
            guests={101: guest(rule("group", "web", comment="phoenix:1234 route"))},
            groups={"web": (rule("in", "DROP", proto="udp"), ACCEPT_WEB)},
        )
    )
    verdict = evaluate(chains, packet("", 101))
    assert str(verdict.origin) == "guest 101, rule 0, rule 1 of group web (phoenix:1234 route)"
    assert str(evaluate(chains, packet("", 101, dport=81)).origin) == "guest 101, policy_in"


def test_empty_set_matches_no_packet() -> None:
    """A rule that names an empty set matches no packet, rather than every packet."""
    config = firewall(guests={101: guest(rule("in", "ACCEPT", source="+none"))}, ipsets={"none": ()})
    assert action(config, packet("", 101)) == "DROP"
