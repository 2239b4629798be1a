"""Compile a firewall configuration into chains, with Proxmox's semantics (iptables backend). Pure.

Guests get two chains for each filtered interface, the host two of its own. An accept in an outbound chain ends that
chain only: the receiver's bridge asks the receiver's inbound chain.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from phoenix.lab.pve.guests.spec import Nic, truth
from phoenix.lab.pve.packet_filter.addresses import Conf, RuleError, ipset, ports, resolve
from phoenix.lab.pve.packet_filter.ruleset import Addresses, Filter, GuestFilter, Match, Rule, Verdict
from phoenix.pve.firewall.model.macros import MACROS, Opening

Direction = Literal["in", "out"]

EMPTY: Conf = {"options": {}, "rules": [], "aliases": {}, "ipset": {}, "groups": {}}
_VERDICTS: dict[str, Verdict] = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject"}
_DEFAULT_POLICY = {"in": "DROP", "out": "ACCEPT"}
_WITH_PORTS = ("tcp", "udp", "udplite", "dccp", "sctp", "6", "17", "33", "132", "136")
_ICMP = ("icmp", "icmpv6", "ipv6-icmp", "1", "58")
_VITAL = ("fragmentation-needed", "time-exceeded")
_MANAGEMENT = ("8006", "5900:5999", "3128", "22")
_MIGRATION = "60000:60050"


@dataclass(frozen=True)
class FilterInput:
    """All that decides about the filter."""

    cluster: Conf
    node: Conf
    guests: Mapping[int, Conf]
    nics: tuple[tuple[int, Nic], ...]
    local_network: str
    """The node's connected network, used where no alias of that name narrows it."""


def compile_filter(given: FilterInput) -> Filter:
    """The chains of every filtered interface and of the host."""
    compiler = _Compiler(given.cluster)
    filters = [
        compiler.guest(vmid, nic, given.guests[vmid])
        for vmid, nic in given.nics
        if nic.firewall and truth(given.guests.get(vmid, EMPTY)["options"].get("enable", 0))
    ]
    host_in = compiler.host("in", given.node, given.local_network)
    host_out = compiler.host("out", given.node, given.local_network)
    return Filter(tuple(filters), host_in, host_out, tuple(dict.fromkeys(compiler.skipped)))


class _Compiler:
    """One compilation: the cluster's configuration at hand, and what had to be left out."""

    def __init__(self, cluster: Conf) -> None:
        self.cluster = cluster
        self.skipped: list[str] = []

    def guest(self, vmid: int, nic: Nic, conf: Conf) -> GuestFilter:
        """The chains of a guest's interface. Cluster rules and policies do not concern guests."""
        options, where = conf["options"], f"guest {vmid}"
        dhcp = truth(options.get("dhcp", 1))
        inbound = [*self._blacklist()]
        outbound: list[Rule] = []
        if dhcp:
            inbound.append(Rule(_udp("67", "68"), "accept", f"{where} dhcp"))
            outbound.append(Rule(_udp("68", "67"), "accept", f"{where} dhcp"))
        outbound += self._ipfilter(nic, conf, where)
        inbound += self._rules("in", conf, where, nic)
        outbound += self._rules("out", conf, where, nic)
        return GuestFilter(
            vmid,
            nic.index,
            (*inbound, *_policy("in", options, where)),
            (*outbound, *_policy("out", options, where)),
            nic.mac if truth(options.get("macfilter", 1)) else "",
        )

    def host(self, direction: Direction, node: Conf, local: str) -> tuple[Rule, ...]:
        """The host's chain: node rules, cluster rules, the operator's way in, the cluster's policy."""
        found = [Rule(Match(proto="igmp"), "accept", "host igmp")]
        if direction == "in":
            found += self._blacklist()
        found += self._rules(direction, node, "node")
        found += self._rules(direction, self.cluster, "cluster")
        found += self._management(direction, local)
        found += _policy(direction, self.cluster["options"], "cluster")
        return tuple(found)

    def _management(self, direction: Direction, local: str) -> list[Rule]:
        alias = self.cluster["aliases"].get("local_network")
        network = resolve(alias["cidr"] if alias else local, EMPTY, EMPTY)
        if direction == "out":
            match = Match(proto="tcp", dest=network)
            return [Rule(replace(match, dport=ports(p)), "accept", "management") for p in _MANAGEMENT]
        own: Addresses = ()
        if "management" in self.cluster["ipset"]:
            own = ipset("management", EMPTY, self.cluster)
        match = Match(proto="tcp", source=(*network, *own))
        return [Rule(replace(match, dport=ports(p)), "accept", "management") for p in (*_MANAGEMENT, _MIGRATION)]

    def _blacklist(self) -> list[Rule]:
        if "blacklist" not in self.cluster["ipset"]:
            return []
        return [Rule(Match(source=ipset("blacklist", EMPTY, self.cluster)), "drop", "blacklist")]

    def _ipfilter(self, nic: Nic, conf: Conf, where: str) -> list[Rule]:
        name = f"ipfilter-net{nic.index}"
        listed = name in conf["ipset"]
        if not listed and not truth(conf["options"].get("ipfilter", 0)):
            return []
        own = nic.address.split("/")[0] if nic.address else ""
        allowed = (ipset(name, conf, self.cluster) if listed else ()) + (resolve(own, EMPTY, EMPTY) if own else ())
        return [Rule(Match(not_source=allowed), "drop", f"{where} ipfilter")]

    def _rules(self, direction: Direction, conf: Conf, where: str, nic: Nic | None = None) -> list[Rule]:
        found: list[Rule] = []
        for position, rule in enumerate(conf["rules"]):
            label = f"{where} rule {position}"
            if not truth(rule.get("enable", 0)) or (nic and rule.get("iface", f"net{nic.index}") != f"net{nic.index}"):
                continue
            if rule["type"] == "group":
                found += self._group(direction, rule, label, conf, nic)
            elif rule["type"] == direction:
                found += self._translated(rule, label, conf, nic)
        return found

    def _group(
        self, direction: Direction, reference: dict[str, Any], label: str, conf: Conf, nic: Nic | None
    ) -> list[Rule]:
        name = reference["action"]
        if name not in self.cluster["groups"]:
            self.skipped.append(f"{label}: no such group '{name}', taken as empty")
        found: list[Rule] = []
        for position, rule in enumerate(self.cluster["groups"].get(name, [])):
            if rule["type"] == direction and truth(rule.get("enable", 0)):
                described = {**rule, "iface": reference.get("iface", "")}
                found += self._translated(described, f"{label}: group {name} rule {position}", conf, nic)
        return found

    def _translated(self, rule: dict[str, Any], label: str, conf: Conf, nic: Nic | None) -> list[Rule]:
        """The steps of one rule; a rule with an error is skipped and the others stay."""
        try:
            verdict = _VERDICTS[rule["action"]]
            interface = rule.get("iface") or "" if nic is None else ""
            ends = {
                end: resolve(rule[end], conf, self.cluster) if rule.get(end) else None for end in ("source", "dest")
            }
            if any(addresses == () for addresses in ends.values()):
                return []  # an empty set matches nothing
            return [
                Rule(replace(match, interface=interface, source=ends["source"], dest=ends["dest"]), verdict, label)
                for match in _protocols(rule)
            ]
        except RuleError as error:
            self.skipped.append(f"{label}: {error}")
            return []


def _protocols(rule: dict[str, Any]) -> Iterator[Match]:
    """What a rule says about protocol and ports: itself, or each opening of its macro."""
    proto, dport, sport = rule.get("proto") or "", rule.get("dport") or "", rule.get("sport") or ""
    if not rule.get("macro"):
        yield _match(Opening(proto, dport or rule.get("icmp-type") or ""), sport)
        return
    openings = MACROS.get(str(rule["macro"]).lower())
    if openings is None:
        raise RuleError(f"the lab does not know macro '{rule['macro']}'")
    if proto or dport:
        raise RuleError(f"macro '{rule['macro']}' already says protocol and port")
    for opening in openings:
        yield _match(opening, sport)


def _match(opening: Opening, sport: str) -> Match:
    if opening.proto in _ICMP:
        version = "icmpv6" if opening.proto in ("icmpv6", "ipv6-icmp", "58") else "icmp"
        return Match(proto=version, icmp="" if opening.dport == "any" else opening.dport)
    if (opening.dport or sport) and opening.proto not in _WITH_PORTS:
        raise RuleError(f"protocol '{opening.proto}' does not support ports")
    return Match(proto=opening.proto, dport=ports(opening.dport), sport=ports(sport))


def _policy(direction: Direction, options: Conf, where: str) -> list[Rule]:
    """The end of a chain: what is dropped silently under any refusing policy, then the policy."""
    policy = options.get(f"policy_{direction}") or _DEFAULT_POLICY[direction]
    end = Rule(Match(), _VERDICTS[policy], f"{where} policy_{direction}")
    if policy == "ACCEPT":
        return [end]
    quiet = [
        Match(special="broadcast"),
        _udp("", "135,445"),
        _udp("", "137:139"),
        _udp("137", "1024:65535"),
        Match(proto="tcp", dport=ports("135,139,445")),
        _udp("", "1900"),
        Match(special="not-syn"),
        _udp("53", ""),
    ]
    noise = [Rule(match, "drop", f"{where} noise") for match in quiet]
    vital = [Rule(Match(proto="icmp", icmp=kind), "accept", f"{where} icmp") for kind in _VITAL]
    return [noise[0], *vital, *noise[1:], end]


def _udp(sport: str, dport: str) -> Match:
    return Match(proto="udp", sport=ports(sport), dport=ports(dport))
