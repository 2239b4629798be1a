"""The filter compiler's cases that the recorded verdicts do not cover, and the rendered nft text."""

import shutil
import subprocess
from ipaddress import ip_network
from typing import Any

import pytest

from phoenix.lab.pve.guests.spec import GuestNic
from phoenix.lab.pve.packet_filter import nft
from phoenix.lab.pve.packet_filter.addresses import UnusableRuleError, ipset, ports, resolve
from phoenix.lab.pve.packet_filter.compiler import EMPTY, FilterInput, compile_filter
from phoenix.lab.pve.packet_filter.enforcer import enabled
from phoenix.lab.pve.packet_filter.ruleset import PacketFilter

NIC = GuestNic(0, "eth0", "vmbr0", "52:54:00:00:00:01", "10.0.0.10/24", firewall=True)


def conf(**parts: Any) -> dict[str, Any]:
    """Return a firewall configuration."""
    return {**EMPTY, **parts}


def compiled(guest: dict[str, Any], cluster: dict[str, Any] | None = None, nic: GuestNic = NIC) -> PacketFilter:
    """Return the filter of guest 103."""
    on = {**guest, "options": {"enable": 1, **guest["options"]}}
    return compile_filter(FilterInput(cluster or conf(), conf(), {103: on}, ((103, nic),), "10.0.0.0/24"))


def labels(rules: tuple[Any, ...], word: str) -> list[str]:
    """Return the verdicts of the rules whose label contains a word."""
    return [rule.verdict for rule in rules if word in rule.label]


def rule(**fields: Any) -> dict[str, Any]:
    """Return an enabled rule."""
    return {"type": "in", "action": "ACCEPT", "enable": 1, **fields}


def test_order_of_the_configuration() -> None:
    """Rules keep the order of the configuration and precede noise and policy."""
    guest = compiled(conf(rules=[rule(action="DROP"), rule(action="REJECT"), rule()])).guests[0]
    order = [r.label for r in guest.inbound]
    assert order[:4] == ["guest 103 dhcp", "guest 103 rule 0", "guest 103 rule 1", "guest 103 rule 2"]
    assert order[-1] == "guest 103 policy_in"


def test_dhcp_is_allowed_unless_switched_off() -> None:
    """DHCP is allowed if the option is unset, although the schema's default differs."""
    assert labels(compiled(conf()).guests[0].outbound, "dhcp") == ["accept"]
    assert labels(compiled(conf(options={"dhcp": 0})).guests[0].outbound, "dhcp") == []


def test_noise_is_dropped_under_reject_too() -> None:
    """SMB and similar noise is dropped silently before policy REJECT or DROP, and is not filtered before ACCEPT."""
    rejecting = compiled(conf(options={"policy_in": "REJECT"})).guests[0]
    assert set(labels(rejecting.inbound, "noise")) == {"drop"}
    assert rejecting.inbound[-1].verdict == "reject"
    assert labels(compiled(conf(options={"policy_in": "ACCEPT"})).guests[0].inbound, "noise") == []


def test_macro_with_a_port_of_its_own_is_an_error() -> None:
    """A rule with an error is skipped with its reason, and the other rules apply."""
    rules = [rule(macro="SSH", dport="23", proto="tcp"), rule(macro="nosuch"), rule(source="nobody"), rule(macro="dns")]
    result = compiled(conf(rules=rules))
    assert len(labels(result.guests[0].inbound, "rule 3")) == 2
    assert [reason.split(":")[0] for reason in result.skipped] == [f"guest 103 rule {i}" for i in range(3)]


def test_rule_for_another_interface() -> None:
    """A rule with an interface applies only to that interface."""
    assert labels(compiled(conf(rules=[rule(iface="net1")])).guests[0].inbound, "rule 0") == []
    assert labels(compiled(conf(rules=[rule(iface="net0")])).guests[0].inbound, "rule 0") == ["accept"]


def test_ipfilter_and_macfilter() -> None:
    """Ipfilter drops foreign source addresses; macfilter is on by default."""
    guest = compiled(conf(options={"ipfilter": 1})).guests[0]
    assert guest.outbound[1].match.not_source == (ip_network("10.0.0.10/32"),)
    assert guest.mac == NIC.mac
    assert compiled(conf(options={"macfilter": 0})).guests[0].mac == ""


def test_management_is_narrowed_by_its_alias() -> None:
    """The alias local_network and the set management limit the sources of the host's management ports."""
    cluster = conf(
        aliases={"local_network": {"name": "local_network", "cidr": "10.0.0.20/32"}},
        ipset={"management": [{"cidr": "10.0.0.50"}]},
    )
    management = [r for r in compiled(conf(), cluster).host_in if r.label == "management"]
    assert {r.match.source for r in management} == {(ip_network("10.0.0.20/32"), ip_network("10.0.0.50/32"))}


def test_guest_names_precede_the_cluster_s() -> None:
    """An alias of the guest hides the cluster's alias of that name; a prefix selects one of them."""
    guest = conf(aliases={"a": {"cidr": "10.0.0.1"}, "only": {"cidr": "10.0.0.3"}})
    cluster = conf(aliases={"a": {"cidr": "10.0.0.2"}})
    assert resolve("aa", conf(aliases={"aa": {"cidr": "10.0.0.9"}}), cluster) == (ip_network("10.0.0.9"),)
    with pytest.raises(UnusableRuleError, match="no such alias"):
        resolve("dc/only", guest, cluster)


@pytest.mark.parametrize(
    ("entries", "inside", "outside"),
    [
        (["10.0.0.0/24", "!10.0.0.5"], "10.0.0.4", "10.0.0.5"),
        (["!10.0.0.0/24", "10.0.0.5"], "10.0.0.5", "10.0.0.4"),
        (["10.0.0.0/24", "10.0.0.0/28"], "10.0.0.1", "10.0.1.1"),
        (["0.0.0.0/1", "!10.0.0.0/8", "10.1.0.0/16"], "10.1.2.3", "10.2.2.3"),
    ],
)
def test_most_specific_entry_of_an_ipset_decides(entries: list[str], inside: str, outside: str) -> None:
    """A nomatch entry excludes its network, except for more specific entries."""
    members = [{"cidr": e.lstrip("!"), "nomatch": int(e.startswith("!"))} for e in entries]
    nets = ipset("set1", conf(ipset={"set1": members}), conf())
    assert any(ip_network(inside).subnet_of(net) for net in nets if net.version == 4)  # type: ignore[arg-type]
    assert not any(ip_network(outside).overlaps(net) for net in nets)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("80", ((80, 80),)),
        ("443,80:90,85", ((80, 90), (443, 443))),
        ("1:2,3", ((1, 3),)),
        ("", ()),
    ],
)
def test_ports(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    """Adjacent ports and ranges are merged, as nft requires."""
    assert ports(text) == ranges


@pytest.mark.parametrize("text", ["70000", "9:1", "no-such-service-x", ",".join(map(str, range(1, 40, 2)))])
def test_bad_ports(text: str) -> None:
    """An invalid port, a reversed range and too many entries are errors."""
    with pytest.raises(UnusableRuleError):
        ports(text)


@pytest.mark.parametrize(
    ("value", "now", "on"),
    [(0, 100, False), (1, 100, True), (1000, 1059, True), (1000, 1061, False)],
)
def test_commit_confirm(value: int, now: float, on: bool) -> None:  # noqa: FBT001
    """A time stamp means on for a minute; 1 means on."""
    assert enabled(value, now) is on


def everything() -> PacketFilter:
    """Return a filter with every kind of rule."""
    rules = [
        rule(macro=name, source="10.0.0.0/24,fd00::/8" if name == "ping" else "")
        for name in ("ping", "web", "snmp", "gre")
    ]
    rules += [rule(proto="icmp", dport=kind) for kind in ("any", "echo-request", "port-unreachable")]
    rules += [rule(proto="tcp", dport="80,443", sport="1024:65535", action="REJECT"), rule(proto="sctp", dport="5")]
    rules += [{**rule(dest="10.0.0.1-10.0.0.7"), "type": "out"}]
    return compiled(conf(rules=rules, options={"ipfilter": 1, "policy_out": "REJECT"}))


def test_text_replaces_both_tables_in_one_transaction() -> None:
    """The text first removes the loaded filter; if the filter is off, the text does only that."""
    text = nft.render(everything())
    assert text.startswith(nft.OFF)
    assert nft.render(None) == nft.OFF
    assert 'meta mark 0x1 iifname "fwbr103i0" jump veth103i0-in' in text
    assert "ip6 saddr { fd00::/8 } icmpv6 type echo-request" in text
    assert "ip saddr { fd00" not in text


@pytest.mark.skipif(shutil.which("nft") is None, reason="no nft on this machine")
def test_text_is_accepted_by_nft() -> None:
    """Nft accepts the rendered text."""
    done = subprocess.run(
        ["nft", "-c", "-f", "-"], input=nft.render(everything()), text=True, capture_output=True, check=False
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("nft checks only for root")
    assert done.returncode == 0, done.stderr
