"""A listed rule → the packets that it matches; a rule that Proxmox skips is a SkippedRuleError."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

from phoenix.pve.firewall.model.configuration import ListedRule
from phoenix.pve.firewall.model.intervals import V4_END, Intervals
from phoenix.pve.firewall.model.lookup import AddressLookup, SkippedRuleError, parse_ports
from phoenix.pve.firewall.model.macros import MACROS
from phoenix.pve.firewall.model.match import RuleAction, RuleMatch

ICMP = {"icmp": "icmp", "1": "icmp", "icmpv6": "icmpv6", "ipv6-icmp": "icmpv6", "58": "icmpv6"}
PROTOCOL_NUMBERS = {"6": "tcp", "17": "udp", "33": "dccp", "132": "sctp", "136": "udplite", "2": "igmp"}
PROTOCOLS_WITH_PORTS = ("tcp", "udp", "udplite", "dccp", "sctp")
NIC_NAME = re.compile(r"net\d+")


def compile_matches(rule: ListedRule, lookup: AddressLookup) -> tuple[RuleMatch, ...]:
    """Compile a rule to its match, or to one match per protocol of its macro; to none if it names an empty set."""
    if rule.get("action") not in get_args(RuleAction):
        raise SkippedRuleError(f"'{rule.get('action')}' is not an action")
    source, dest = (lookup.addresses(str(rule[end])) if rule.get(end) else None for end in ("source", "dest"))
    versions = {_ip_version(addresses) for addresses in (source, dest) if addresses}
    if len(versions) > 1:
        raise SkippedRuleError("its source and its destination differ in IP version")
    if () in (source, dest):
        return ()
    matches = tuple(replace(match, source=source, dest=dest) for match in _protocols(rule))
    wrong_version = {"icmp": "IPv6", "icmpv6": "IPv4"}
    usable = tuple(match for match in matches if wrong_version.get(match.proto) not in versions)
    if not usable:
        raise SkippedRuleError(f"{matches[0].proto} does not exist in the IP version of its addresses")
    return usable


def _ip_version(addresses: Intervals) -> str:
    return "IPv4" if addresses[-1][1] < V4_END else "IPv6" if addresses[0][0] >= V4_END else "both"


def _protocols(rule: ListedRule) -> Iterator[RuleMatch]:
    proto, dport, sport = (str(rule.get(key) or "") for key in ("proto", "dport", "sport"))
    if not rule.get("macro"):
        yield _compile_protocol(proto, dport or str(rule.get("icmp-type") or ""), sport)
        return
    openings = MACROS.get(str(rule["macro"]).lower())
    if openings is None:
        raise SkippedRuleError(f"there is no macro '{rule['macro']}'")
    if proto or dport:
        raise SkippedRuleError(f"the macro '{rule['macro']}' already sets protocol and port")
    if sport and any(opening.sport not in ("", sport) for opening in openings):
        raise SkippedRuleError(f"the macro '{rule['macro']}' already sets the source port")
    for opening in openings:
        yield _compile_protocol(opening.proto, opening.dport, opening.sport or sport)


def _compile_protocol(proto: str, dport: str, sport: str) -> RuleMatch:
    if proto in ICMP:
        return RuleMatch(ICMP[proto], icmp="" if dport == "any" else dport)
    proto = PROTOCOL_NUMBERS.get(proto, proto).lower()
    if (dport or sport) and proto not in PROTOCOLS_WITH_PORTS:
        raise SkippedRuleError(f"protocol '{proto}' has no ports" if proto else "ports need a protocol")
    return RuleMatch(proto, parse_ports(dport) if dport else (), parse_ports(sport) if sport else ())


def is_for_nic(rule: ListedRule, index: int) -> bool:
    """Tell whether a guest's rule applies to the interface of this index."""
    iface = str(rule.get("iface") or "")
    if iface and not NIC_NAME.fullmatch(iface):
        raise SkippedRuleError(f"'{iface}' is not an interface of a guest; their names are net0, net1, …")
    return iface in ("", f"net{index}")
