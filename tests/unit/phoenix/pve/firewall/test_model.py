"""The model against the recorded verdicts of Proxmox's own simulator, and by hand where the record says nothing."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Entry, Firewall, Scope
from phoenix.pve.firewall.model.evaluate import End, Packet, judge
from phoenix.pve.firewall.replay.replay import firewall_of, packet_of, replay
from tests.support.places import SHARED
from tests.unit.phoenix.pve.firewall.firewalls import MAC, firewall, guest, on_nftables, packet, rule, verdict

ORACLE = SHARED / "oracles/pve-firewall-verdicts.json.gz"
RECORDED = pytest.mark.skipif(not ORACLE.exists(), reason=f"{ORACLE}: the recorded verdicts are not on this machine")


def cases() -> list[dict[str, Any]]:
    """The recorded configurations."""
    found: list[dict[str, Any]] = json.loads(gzip.decompress(ORACLE.read_bytes()))
    return found


@RECORDED
def test_every_recorded_verdict() -> None:
    """The model says of all 17,146 packets what Proxmox said."""
    found = list(replay(cases()))
    assert [str(one) for one in found if one.differs] == []
    assert len(found) == 17146


@RECORDED
def test_order_of_rules_matters_to_the_record() -> None:
    """With every list of rules turned round the model is wrong 69 times: the record would notice."""
    turned = 0
    for case in cases():
        for scope in (case["cluster"], *case["guests"].values()):
            scope["rules"] = scope["rules"][::-1]
        turned += sum(one.differs for one in replay([case]))
    assert turned == 69


ACCEPT_WEB = rule("in", "ACCEPT", proto="tcp", dport="80")
SMB = rule("in", "ACCEPT", proto="tcp", dport="445")
ENTRIES = (
    Entry("10.0.0.0/24"),
    Entry("10.0.0.101", nomatch=True),
    Entry("10.0.0.96/27", nomatch=True),
    Entry("10.0.0.102"),
)


SOME = firewall(guests={101: guest(rule("in", "ACCEPT", source="+some"))}, ipsets={"some": ENTRIES})
UNWELCOME = firewall(guests={101: guest(ACCEPT_WEB)}, ipsets={"blacklist": (Entry("203.0.113.0/24"),)})
FROM_53 = firewall(guests={101: guest(rule("in", "ACCEPT", proto="udp", sport="53"))})
V6 = firewall(guests={101: guest(rule("in", "ACCEPT", source="2001:db8::/32"))})
NO_DHCP = firewall(guests={101: guest(policy_in="ACCEPT", dhcp=0)})


def two_sets(source: str) -> Firewall:
    """A guest with a set of its own, and an empty one of the cluster by the same name; a rule for one of them."""
    own = {"own": (Entry("10.0.0.102"),)}
    return firewall(guests={101: guest(rule("in", "ACCEPT", source=source), ipsets=own)}, ipsets={"own": ()})


def over_v6(sender: End, receiver: End, kind: str) -> Packet:
    """A message of IPv6's neighbour discovery."""
    return packet(sender, receiver, "icmpv6", 0, icmp=kind, source="fe80::1", dest="ff02::1")


@pytest.mark.parametrize(
    ("given", "one", "expected"),
    [
        # The first rule that fits decides, and one that is off does not.
        (firewall(guests={101: guest(ACCEPT_WEB, rule("in", "DROP"))}), packet("", 101), "ACCEPT"),
        (firewall(guests={101: guest(rule("in", "DROP"), ACCEPT_WEB)}), packet("", 101), "DROP"),
        (firewall(guests={101: guest({**ACCEPT_WEB, "enable": 0})}), packet("", 101), "DROP"),
        (firewall(guests={101: guest({"type": "in", "action": "ACCEPT"})}), packet("", 101), "DROP"),
        # A silent end comes before a policy that refuses, and after the rules.
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, dport=445), "DROP"),
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, dport=446), "REJECT"),
        (firewall(guests={101: guest(SMB, policy_in="REJECT")}), packet("", 101, dport=445), "ACCEPT"),
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, "udp", 1900), "DROP"),
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, "udp", 5000, sport=53), "DROP"),
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, syn=False), "DROP"),
        (firewall(guests={101: guest(policy_in="REJECT")}), packet("", 101, broadcast=True), "DROP"),
        (firewall(guests={101: guest()}), packet("", 101, "icmp", 0, icmp="time-exceeded"), "ACCEPT"),
        (firewall(guests={101: guest(policy_in="ACCEPT")}), packet("", 101, dport=445), "ACCEPT"),
        # A guest's DHCP, unless the option says no.
        (firewall(guests={101: guest(policy_out="DROP")}), packet(101, "", "udp", 67, sport=68), "ACCEPT"),
        (firewall(guests={101: guest(policy_out="DROP", dhcp=0)}), packet(101, "", "udp", 67, sport=68), "DROP"),
        (firewall(guests={101: guest()}), packet("", 101, "udp", 68, sport=67), "ACCEPT"),
        # A guest sends from its own MAC, and with the filter from its own address.
        (firewall(guests={101: guest()}), packet(101, "", mac="BC:24:11:00:00:01"), "DROP"),
        (firewall(guests={101: guest()}), packet(101, "", mac=MAC.lower()), "ACCEPT"),
        (firewall(guests={101: guest(macfilter=0)}), packet(101, "", mac="BC:24:11:00:00:01"), "ACCEPT"),
        (firewall(guests={101: guest(ipfilter=1)}), packet(101, "", source="10.0.0.99"), "DROP"),
        (firewall(guests={101: guest(ipfilter=1)}), packet(101, ""), "ACCEPT"),
        # The set that is never welcome comes before all rules.
        (UNWELCOME, packet("", 101), "DROP"),
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
        # A node's rules come before the cluster's, and the way in of the operator after both.
        (firewall(rule("in", "ACCEPT"), node=Scope({}, (rule("in", "DROP"),))), packet("", "pve"), "DROP"),
        (firewall(rule("in", "DROP")), packet("", "pve", dport=22, source="10.0.0.99"), "DROP"),
        (firewall(), packet("", "pve", dport=22, source="10.0.0.99"), "ACCEPT"),
        (firewall(aliases={"local_network": "10.0.0.13"}), packet("", "pve", dport=22, source="10.0.0.99"), "DROP"),
        (firewall(node=Scope({"enable": 0})), packet("", "pve"), "ACCEPT"),
        # A connection that is open stays open, and nothing is filtered where the cluster's switch is off.
        (firewall(guests={101: guest()}), packet("", 101, established=True), "ACCEPT"),
        (firewall(guests={101: guest()}, options={"enable": 0}), packet("", 101), "ACCEPT"),
        # IPv6: neighbours find each other, a guest is no router.
        (firewall(guests={101: guest(policy_out="DROP")}), over_v6(101, "", "neighbour-solicitation"), "ACCEPT"),
        (firewall(guests={101: guest()}), over_v6(101, "", "router-advertisement"), "DROP"),
        (V6, packet("", 101, source="2001:db8::1", dest="2001:db8::2"), "ACCEPT"),
        (V6, packet("", 101), "DROP"),
    ],
)  # fmt: skip
def test_verdict(given: Any, one: Packet, expected: str) -> None:
    """What the record does not cover is decided as the Administration Guide says."""
    assert verdict(given, one) == expected


@pytest.mark.parametrize(
    ("given", "one", "expected"),
    [
        (firewall(rule("in", "DROP")), packet("", "pve", dport=22, source="10.0.0.99"), ("DROP", "ACCEPT")),
        (firewall(guests={101: guest(rule("in", "REJECT"))}), packet("", 101), ("REJECT", "DROP")),
        (NO_DHCP, packet("", 101, "udp", 68, sport=67), ("ACCEPT", "DROP")),
    ],
)  # fmt: skip
def test_backends_differ(given: Any, one: Packet, expected: tuple[str, str]) -> None:
    """The two backends judge differently where the guide says so."""
    assert (verdict(given, one), verdict(on_nftables(given), one)) == expected


def test_verdict_names_its_rule() -> None:
    """A verdict says which rule decides, that of a group by both."""
    given = firewall(
        guests={101: guest(rule("group", "web", comment="phoenix:1234 route"))},
        groups={"web": (rule("in", "DROP", proto="udp"), ACCEPT_WEB)},
    )
    found = judge(Chains(given), packet("", 101))
    assert str(found.origin) == "guest 101, rule 0, rule 1 of group web (phoenix:1234 route)"
    assert str(judge(Chains(given), packet("", 101, dport=81)).origin) == "guest 101, policy_in"


SIXTEEN = ",".join(str(port) for port in range(1, 17))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (rule("in", "ACCEPT", proto="tcp", dport=SIXTEEN), "more than 15 ports"),
        (rule("in", "ACCEPT", proto="tcp", dport="1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16"), "more than 15 ports"),
        (rule("in", "ACCEPT", proto="tcp", dport="99999"), "'99999' is not a port"),
        (rule("in", "ACCEPT", proto="tcp", dport="90:80"), "goes backwards"),
        (rule("in", "ACCEPT", proto="tcp", dport="nonsense"), "'nonsense' is not a port"),
        (rule("in", "ACCEPT", dport="80"), "ports need a protocol"),
        (rule("in", "ACCEPT", proto="gre", dport="80"), "protocol 'gre' has no ports"),
        (rule("in", "ACCEPT", source="10.0.0.1,2001:db8::1"), "mixes IPv4 and IPv6"),
        (rule("in", "ACCEPT", source="10.0.0.1", dest="2001:db8::1"), "the one IP version"),
        (rule("in", "ACCEPT", proto="icmp", source="2001:db8::1"), "not for the IP version"),
        (rule("in", "ACCEPT", source="10.0.0.9-10.0.0.1"), "from a lower to a higher"),
        (rule("in", "ACCEPT", source="10.0.0.300"), "is not an address"),
        (rule("in", "ACCEPT", source="nowhere"), "there is no alias 'nowhere'"),
        (rule("in", "ACCEPT", source="+nobody"), "there is no set 'nobody'"),
        (rule("in", "ACCEPT", source="+Some"), "there is no set 'Some'"),
        (rule("group", "Web"), "there is no security group 'Web'"),
        (rule("in", "ACCEPT", macro="Nonsense"), "there is no macro 'Nonsense'"),
        (rule("in", "ACCEPT", macro="HTTP", dport="81"), "says protocol and port already"),
        (rule("in", "ALLOW"), "'ALLOW' is no action"),
        (rule("in", "ACCEPT", iface="eth0"), "no interface of a guest"),
    ],
)
def test_skipped_rule(wrong: dict[str, Any], says: str) -> None:
    """A rule that Proxmox leaves out is left out, with the reason, and the next one decides."""
    given = firewall(guests={101: guest(wrong, ACCEPT_WEB)}, ipsets={"some": ENTRIES}, groups={"web": ()})
    chains = Chains(given)
    assert judge(chains, packet("", 101)).action == "ACCEPT"
    (skipped,) = chains.skipped
    assert skipped.origin.position == 0
    assert says in skipped.reason


def test_empty_set_matches_nothing() -> None:
    """A rule that names an empty set is no rule for everybody."""
    assert (
        verdict(
            firewall(guests={101: guest(rule("in", "ACCEPT", source="+none"))}, ipsets={"none": ()}), packet("", 101)
        )
        == "DROP"
    )


def test_replay_reads_bare_cases() -> None:
    """A case may leave out what it has none of, and a rule without `enable` is off, as in the API."""
    off = {"type": "in", "action": "ACCEPT"}
    case = {
        "local_network": "10.0.0.0/24",
        "host_ip": "10.0.0.13",
        "cluster": {"options": {"enable": 1}},
        "guests": {"101": {"ip": "10.0.0.101", "nic_firewall": 1, "options": {"enable": 1}, "rules": [off]}},
    }
    one = {"from": "outside", "to": "ct101", "proto": "tcp", "source": "203.0.113.9", "dest": "10.0.0.101", "dport": 80}
    assert verdict(firewall_of(case), packet_of(one)) == "DROP"
