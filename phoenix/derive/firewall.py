"""Flows → the firewall configuration of Proxmox VE, at cluster, node and guest level.

Source: Proxmox VE Administration Guide, "Proxmox VE Firewall". Each flow yields an OUT rule at its source and an
IN rule at its destination. All rules accept and the policies drop, so the order of rules has no effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Network
from typing import Literal

from phoenix.derive.flows import Flow, flows, flows_by_host
from phoenix.estate import Estate, Guest, Hypervisor

INTERNET = "phoenix-internet"
NOT_INTERNET = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
"""Networks that are not global: private, shared, loopback, link-local, documentation, benchmarks, multicast, reserved.

Source: IANA IPv4 Special-Purpose Address Registry (RFC 6890), and RFC 5771 for multicast.
"""
MANAGEMENT = "management"
LOCAL_NETWORK = "local_network"
NO_NETWORK = "127.0.0.1"
"""The value of `local_network` that opens no node to another; packets from it reach a node only from itself."""
PREFIX = "phoenix:"
MAX_PORTS = 15
"""The maximum of iptables for one rule (iptables-extensions(8), "multiport"); Proxmox skips a rule with more."""


@dataclass(frozen=True)
class Rule:
    """One firewall rule; its comment contains the key, by which a later run identifies the rule."""

    direction: Literal["in", "out"]
    protocol: str
    dport: str = ""
    source: str = ""
    dest: str = ""
    purpose: str = ""

    @property
    def key(self) -> str:
        """Eight hexadecimal digits that identify the rule by everything but its purpose."""
        text = f"{self.direction}|{self.protocol}|{self.dport}|{self.source}|{self.dest}"
        return sha256(text.encode()).hexdigest()[:8]

    @property
    def parameters(self) -> dict[str, str]:
        """The rule as parameters of the API."""
        required = {"type": self.direction, "action": "ACCEPT", "enable": "1", "comment": self.comment}
        required |= {"macro": "Ping"} if self.protocol == "icmp" else {"proto": self.protocol}
        optional = {"dport": self.dport, "source": self.source, "dest": self.dest}
        return required | {key: value for key, value in optional.items() if value}

    @property
    def comment(self) -> str:
        """The comment, which contains the key and the purpose."""
        return f"{PREFIX}{self.key} {self.purpose}"


@dataclass(frozen=True)
class IpSet:
    """A set of networks without those of `except_`."""

    name: str
    networks: tuple[str, ...]
    except_: tuple[str, ...] = ()


@dataclass(frozen=True)
class Level:
    """The desired configuration of one level: the cluster, which has the rules of all nodes, a node, or a guest."""

    options: Mapping[str, str]
    rules: tuple[Rule, ...] = ()
    ipsets: tuple[IpSet, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)


CLOSED = Level(
    {
        "enable": "1",
        "policy_in": "DROP",
        "policy_out": "DROP",
        "dhcp": "0",
        "macfilter": "1",
        "ipfilter": "0",
        "ndp": "1",
        "radv": "0",
    }
)
"""A guest without a flow: nothing passes in either direction."""


def guest_firewall(estate: Estate, guest: Guest) -> Level:
    """Derive the level of a guest: it accepts the guest's flows in both directions and drops everything else."""
    own = flows_by_host(estate).get(guest.name, ())
    rules = [
        *(rule for flow in own if flow.dest == guest.name for rule in _rules("in", estate, flow)),
        *(rule for flow in own if flow.source == guest.name for rule in _rules("out", estate, flow)),
    ]
    return Level(CLOSED.options, _unique(rules))


def cluster_firewall(estate: Estate) -> Level:
    """Derive the level of the cluster: it accepts the flows to hypervisors and all connections that they open.

    Outbound connections are not restricted, because those of a node's own tasks are not known in advance.
    """
    names = {hypervisor.name for hypervisor in estate.hypervisors}
    network = estate.settings.network
    inbound = [flow for flow in flows(estate) if flow.dest in names and flow.source != MANAGEMENT]
    open_to_lan = {(flow.dest, flow.protocol, flow.spans) for flow in inbound if flow.source == "lan"}
    rules = [
        rule
        for flow in inbound
        if flow.source == "lan" or (flow.dest, flow.protocol, flow.spans) not in open_to_lan
        for rule in _rules("in", estate, flow)
    ]
    ipsets = (
        IpSet(MANAGEMENT, tuple(_cidr(net) for net in network.management)),
        IpSet(INTERNET, ("0.0.0.0/1", "128.0.0.0/1"), tuple(dict.fromkeys((str(network.subnet), *NOT_INTERNET)))),
    )
    options = {"enable": "1", "policy_in": "DROP", "policy_out": "ACCEPT"}
    # Without this alias, Proxmox permits management of a node from its whole subnet. Nodes have flows of their own.
    only = estate.hypervisors[0].address if len(estate.hypervisors) == 1 else NO_NETWORK
    aliases = {LOCAL_NETWORK: str(only)}
    return Level(options, _unique(rules), ipsets, aliases)


NODE = Level({"enable": "1"})
"""The desired level of a node: filtering is enabled; its rules are those of the cluster."""


def _rules(direction: Literal["in", "out"], estate: Estate, flow: Flow) -> Iterator[Rule]:
    source = "" if direction == "out" else _source(estate, flow)
    dest = _party(estate, flow.dest, flow) if direction == "out" else _listens_on(estate, flow)
    for ports in _port_lists(flow) if flow.spans else ("",):
        yield Rule(direction, flow.protocol, ports, source, dest, flow.purpose)


def _port_lists(flow: Flow) -> Iterator[str]:
    """Yield the ports of a flow as few lists as possible, then each range."""
    for first in range(0, len(flow.ports), MAX_PORTS):
        yield ",".join(map(str, flow.ports[first : first + MAX_PORTS]))
    yield from (f"{low}:{high}" for low, high in flow.ranges)


def _source(estate: Estate, flow: Flow) -> str:
    """The source of an IN rule: a node connects to its guests from an address in their subnet, if it has one."""
    host = estate.by_name.get(flow.source)
    if isinstance(host, Hypervisor) and isinstance(estate.by_name.get(flow.dest), Guest):
        return str(estate.inner_address(host))
    return _party(estate, flow.source, flow)


def _party(estate: Estate, party: str, flow: Flow) -> str:
    network = estate.settings.network
    match party:
        case "any":
            return ""
        case "lan":
            return str(network.subnet)
        case "internet":
            return f"+{INTERNET}"
        case "management":
            return f"+{MANAGEMENT}"
    host = estate.host(party)
    if isinstance(host, Hypervisor) and flow.at == "resolver":
        return str(host.guest_resolver)
    return str(host.address) if isinstance(host, (Hypervisor, Guest)) else ""


def _listens_on(estate: Estate, flow: Flow) -> str:
    """The destination of an IN rule: empty, except if rules of several hypervisors must be distinguished."""
    host = estate.host(flow.dest)
    if not isinstance(host, Hypervisor) or len(estate.hypervisors) == 1:
        return ""
    return ",".join(map(str, sorted({host.address, host.guest_resolver, *host.also})))


def _cidr(network: IPv4Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _unique(rules: list[Rule]) -> tuple[Rule, ...]:
    return tuple({rule.key: rule for rule in sorted(rules, key=lambda r: (r.direction, r.purpose, r.key))}.values())
