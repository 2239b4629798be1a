"""One listed rule → what it matches; a rule that Proxmox would leave out is a RuleError that says why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

from phoenix.pve.firewall.model.configuration import Listed
from phoenix.pve.firewall.model.intervals import V4_END, Intervals
from phoenix.pve.firewall.model.lookup import Names, RuleError, ports
from phoenix.pve.firewall.model.macros import MACROS
from phoenix.pve.firewall.model.match import Action, Match

ICMP = {"icmp": "icmp", "1": "icmp", "icmpv6": "icmpv6", "ipv6-icmp": "icmpv6", "58": "icmpv6"}
NUMBERS = {"6": "tcp", "17": "udp", "33": "dccp", "132": "sctp", "136": "udplite", "2": "igmp"}
WITH_PORTS = ("tcp", "udp", "udplite", "dccp", "sctp")
NIC_NAME = re.compile(r"net\d+")


def matches_of(rule: Listed, names: Names) -> tuple[Match, ...]:
    """What a rule matches: itself, or each opening of its macro. None at all if a set that it names is empty."""
    if rule.get("action") not in get_args(Action):
        raise RuleError(f"'{rule.get('action')}' is no action")
    source, dest = (names.addresses(str(rule[end])) if rule.get(end) else None for end in ("source", "dest"))
    families = {_family(places) for places in (source, dest) if places}
    if len(families) > 1:
        raise RuleError("its source is of the one IP version and its destination of the other")
    if () in (source, dest):
        return ()
    found = tuple(replace(match, source=source, dest=dest) for match in _protocols(rule))
    wrong = {"icmp": "IPv6", "icmpv6": "IPv4"}
    usable = tuple(match for match in found if wrong.get(match.proto) not in families)
    if not usable:
        raise RuleError(f"{found[0].proto} is not for the IP version of its addresses")
    return usable


def _family(places: Intervals) -> str:
    return "IPv4" if places[-1][1] < V4_END else "IPv6" if places[0][0] >= V4_END else "both"


def _protocols(rule: Listed) -> Iterator[Match]:
    proto, dport, sport = (str(rule.get(key) or "") for key in ("proto", "dport", "sport"))
    if not rule.get("macro"):
        yield _match(proto, dport or str(rule.get("icmp-type") or ""), sport)
        return
    openings = MACROS.get(str(rule["macro"]).lower())
    if openings is None:
        raise RuleError(f"there is no macro '{rule['macro']}'")
    if proto or dport:
        raise RuleError(f"the macro '{rule['macro']}' says protocol and port already")
    for opening in openings:
        yield _match(opening.proto, opening.dport, sport)


def _match(proto: str, dport: str, sport: str) -> Match:
    if proto in ICMP:
        return Match(ICMP[proto], icmp="" if dport == "any" else dport)
    proto = NUMBERS.get(proto, proto).lower()
    if (dport or sport) and proto not in WITH_PORTS:
        raise RuleError(f"protocol '{proto or 'any'}' has no ports" if proto else "ports need a protocol")
    return Match(proto, ports(dport) if dport else (), ports(sport) if sport else ())


def concerns(rule: Listed, nic: int) -> bool:
    """Tell whether a guest's rule is about an interface."""
    iface = str(rule.get("iface") or "")
    if iface and not NIC_NAME.fullmatch(iface):
        raise RuleError(f"'{iface}' is no interface of a guest: they are called net0, net1, …")
    return iface in ("", f"net{nic}")
