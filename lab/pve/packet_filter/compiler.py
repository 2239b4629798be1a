"""Compiles a firewall configuration into chains, with Proxmox's semantics (iptables backend). Pure.

Each filtered interface of a guest gets two chains; the host gets two. An accept in an outbound chain ends only that
chain: at the receiver's bridge, the packet passes the receiver's inbound chain.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from phoenix.lab.pve.guests.spec import GuestNic, parse_bool
from phoenix.lab.pve.packet_filter.addresses import FirewallConf, UnusableRuleError, ipset, ports, resolve
from phoenix.lab.pve.packet_filter.ruleset import (
    FilterRule,
    FilterVerdict,
    GuestFilter,
    IpNetworks,
    PacketFilter,
    PacketMatch,
)
from phoenix.pve.firewall.model.macros import MACROS, Opening

RuleDirection = Literal["in", "out"]

EMPTY: FirewallConf = {"options": {}, "rules": [], "aliases": {}, "ipset": {}, "groups": {}}
_VERDICTS: dict[str, FilterVerdict] = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject"}
_DEFAULT_POLICY = {"in": "DROP", "out": "ACCEPT"}
_WITH_PORTS = ("tcp", "udp", "udplite", "dccp", "sctp", "6", "17", "33", "132", "136")
_ICMP = ("icmp", "icmpv6", "ipv6-icmp", "1", "58")
_VITAL = ("fragmentation-needed", "time-exceeded")
_MANAGEMENT = ("8006", "5900:5999", "3128", "22")
_MIGRATION = "60000:60050"


@dataclass(frozen=True)
class FilterInput:
    """The compiler's input: the firewall configuration of each level, and the guests' interfaces."""

    cluster: FirewallConf
    node: FirewallConf
    guests: Mapping[int, FirewallConf]
    nics: tuple[tuple[int, GuestNic], ...]
    local_network: str
    """The node's connected network, used unless the cluster has an alias ``local_network``."""


def compile_filter(source: FilterInput) -> PacketFilter:
    """Return the chains of every filtered interface and of the host."""
    compiler = _Compiler(source.cluster)
    filters = [
        compiler.guest(vmid, nic, source.guests[vmid])
        for vmid, nic in source.nics
        if nic.firewall and parse_bool(source.guests.get(vmid, EMPTY)["options"].get("enable", 0))
    ]
    host_in = compiler.host("in", source.node, source.local_network)
    host_out = compiler.host("out", source.node, source.local_network)
    return PacketFilter(tuple(filters), host_in, host_out, tuple(dict.fromkeys(compiler.skipped)))


class _Compiler:
    """One compilation: holds the cluster's configuration and collects skipped rules."""

    def __init__(self, cluster: FirewallConf) -> None:
        self.cluster = cluster
        self.skipped: list[str] = []

    def guest(self, vmid: int, nic: GuestNic, conf: FirewallConf) -> GuestFilter:
        """Return the chains of a guest's interface. Cluster rules and policies do not apply to guests."""
        options, where = conf["options"], f"guest {vmid}"
        dhcp = parse_bool(options.get("dhcp", 1))
        inbound = [*self._blacklist()]
        outbound: list[FilterRule] = []
        if dhcp:
            inbound.append(FilterRule(_udp("67", "68"), "accept", f"{where} dhcp"))
            outbound.append(FilterRule(_udp("68", "67"), "accept", f"{where} dhcp"))
        outbound += self._ipfilter(nic, conf, where)
        inbound += self._rules("in", conf, where, nic)
        outbound += self._rules("out", conf, where, nic)
        return GuestFilter(
            vmid,
            nic.index,
            (*inbound, *_policy("in", options, where)),
            (*outbound, *_policy("out", options, where)),
            nic.mac if parse_bool(options.get("macfilter", 1)) else "",
        )

    def host(self, direction: RuleDirection, node: FirewallConf, local: str) -> tuple[FilterRule, ...]:
        """Return a chain of the host: node rules, cluster rules, management access, the cluster's policy."""
        rules = [FilterRule(PacketMatch(proto="igmp"), "accept", "host igmp")]
        if direction == "in":
            rules += self._blacklist()
        rules += self._rules(direction, node, "node")
        rules += self._rules(direction, self.cluster, "cluster")
        rules += self._management(direction, local)
        rules += _policy(direction, self.cluster["options"], "cluster")
        return tuple(rules)

    def _management(self, direction: RuleDirection, local: str) -> list[FilterRule]:
        alias = self.cluster["aliases"].get("local_network")
        network = resolve(alias["cidr"] if alias else local, EMPTY, EMPTY)
        if direction == "out":
            match = PacketMatch(proto="tcp", dest=network)
            return [FilterRule(replace(match, dport=ports(p)), "accept", "management") for p in _MANAGEMENT]
        own: IpNetworks = ()
        if "management" in self.cluster["ipset"]:
            own = ipset("management", EMPTY, self.cluster)
        match = PacketMatch(proto="tcp", source=(*network, *own))
        return [FilterRule(replace(match, dport=ports(p)), "accept", "management") for p in (*_MANAGEMENT, _MIGRATION)]

    def _blacklist(self) -> list[FilterRule]:
        if "blacklist" not in self.cluster["ipset"]:
            return []
        return [FilterRule(PacketMatch(source=ipset("blacklist", EMPTY, self.cluster)), "drop", "blacklist")]

    def _ipfilter(self, nic: GuestNic, conf: FirewallConf, where: str) -> list[FilterRule]:
        name = f"ipfilter-net{nic.index}"
        has_set = name in conf["ipset"]
        if not has_set and not parse_bool(conf["options"].get("ipfilter", 0)):
            return []
        own = nic.address.split("/")[0] if nic.address else ""
        allowed = (ipset(name, conf, self.cluster) if has_set else ()) + (resolve(own, EMPTY, EMPTY) if own else ())
        return [FilterRule(PacketMatch(not_source=allowed), "drop", f"{where} ipfilter")]

    def _rules(
        self, direction: RuleDirection, conf: FirewallConf, where: str, nic: GuestNic | None = None
    ) -> list[FilterRule]:
        rules: list[FilterRule] = []
        for position, rule in enumerate(conf["rules"]):
            label = f"{where} rule {position}"
            if not parse_bool(rule.get("enable", 0)) or (
                nic and rule.get("iface", f"net{nic.index}") != f"net{nic.index}"
            ):
                continue
            if rule["type"] == "group":
                rules += self._group(direction, rule, label, conf, nic)
            elif rule["type"] == direction:
                rules += self._compiled(rule, label, conf, nic)
        return rules

    def _group(
        self, direction: RuleDirection, reference: dict[str, Any], label: str, conf: FirewallConf, nic: GuestNic | None
    ) -> list[FilterRule]:
        name = reference["action"]
        if name not in self.cluster["groups"]:
            self.skipped.append(f"{label}: no such group '{name}', treated as empty")
        rules: list[FilterRule] = []
        for position, rule in enumerate(self.cluster["groups"].get(name, [])):
            if rule["type"] == direction and parse_bool(rule.get("enable", 0)):
                on_interface = {**rule, "iface": reference.get("iface", "")}
                rules += self._compiled(on_interface, f"{label}: group {name} rule {position}", conf, nic)
        return rules

    def _compiled(self, rule: dict[str, Any], label: str, conf: FirewallConf, nic: GuestNic | None) -> list[FilterRule]:
        """Return the filter rules of one rule; skip a rule with an error."""
        try:
            verdict = _VERDICTS[rule["action"]]
            interface = rule.get("iface") or "" if nic is None else ""
            ends = {
                end: resolve(rule[end], conf, self.cluster) if rule.get(end) else None for end in ("source", "dest")
            }
            if any(addresses == () for addresses in ends.values()):
                return []  # an empty set matches no packet
            return [
                FilterRule(
                    replace(match, interface=interface, source=ends["source"], dest=ends["dest"]), verdict, label
                )
                for match in _protocols(rule)
            ]
        except UnusableRuleError as error:
            self.skipped.append(f"{label}: {error}")
            return []


def _protocols(rule: dict[str, Any]) -> Iterator[PacketMatch]:
    """Yield a rule's matches on protocol and ports: its own, or one per opening of its macro."""
    proto, dport, sport = rule.get("proto") or "", rule.get("dport") or "", rule.get("sport") or ""
    if not rule.get("macro"):
        yield _match(Opening(proto, dport or rule.get("icmp-type") or ""), sport)
        return
    openings = MACROS.get(str(rule["macro"]).lower())
    if openings is None:
        raise UnusableRuleError(f"the lab does not know macro '{rule['macro']}'")
    if proto or dport:
        raise UnusableRuleError(f"macro '{rule['macro']}' already sets protocol and port")
    if sport and any(opening.sport not in ("", sport) for opening in openings):
        raise UnusableRuleError(f"macro '{rule['macro']}' already sets the source port")
    for opening in openings:
        yield _match(opening, opening.sport or sport)


def _match(opening: Opening, sport: str) -> PacketMatch:
    if opening.proto in _ICMP:
        version = "icmpv6" if opening.proto in ("icmpv6", "ipv6-icmp", "58") else "icmp"
        return PacketMatch(proto=version, icmp="" if opening.dport == "any" else opening.dport)
    if (opening.dport or sport) and opening.proto not in _WITH_PORTS:
        raise UnusableRuleError(f"protocol '{opening.proto}' does not support ports")
    return PacketMatch(proto=opening.proto, dport=ports(opening.dport), sport=ports(sport))


def _policy(direction: RuleDirection, options: FirewallConf, where: str) -> list[FilterRule]:
    """Return the end of a chain: unless the policy accepts, what Proxmox drops silently; then the policy."""
    policy = options.get(f"policy_{direction}") or _DEFAULT_POLICY[direction]
    end = FilterRule(PacketMatch(), _VERDICTS[policy], f"{where} policy_{direction}")
    if policy == "ACCEPT":
        return [end]
    quiet = [
        PacketMatch(special="broadcast"),
        _udp("", "135,445"),
        _udp("", "137:139"),
        _udp("137", "1024:65535"),
        PacketMatch(proto="tcp", dport=ports("135,139,445")),
        _udp("", "1900"),
        PacketMatch(special="not-syn"),
        _udp("53", ""),
    ]
    noise = [FilterRule(match, "drop", f"{where} noise") for match in quiet]
    vital = [FilterRule(PacketMatch(proto="icmp", icmp=kind), "accept", f"{where} icmp") for kind in _VITAL]
    return [noise[0], *vital, *noise[1:], end]


def _udp(sport: str, dport: str) -> PacketMatch:
    return PacketMatch(proto="udp", sport=ports(sport), dport=ports(dport))
