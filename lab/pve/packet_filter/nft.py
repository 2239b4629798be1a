"""Renders the packet filter as nft text (nft(8)). Pure.

Each filtered interface has its own bridge. With br_netfilter, its packets therefore pass the forward hook with that
bridge as input interface. The bridge family cannot track connections on every kernel, so it only marks the direction;
the inet family decides.
"""

from collections.abc import Iterator

from phoenix.lab.pve.packet_filter.ruleset import (
    FilterRule,
    GuestFilter,
    IpNetworks,
    PacketFilter,
    PacketMatch,
    PortRanges,
)

OFF = "table bridge pvefw {}\ndelete table bridge pvefw\ntable inet pvefw {}\ndelete table inet pvefw\n"
"""Removes the filter; the first part of each transaction."""

V4, V6 = 4, 6
_FOREIGN = {"icmp": (V6,), "icmpv6": (V4,)}
_INBOUND, _OUTBOUND = "0x1", "0x2"
_UNREACHABLE = {
    "network-unreachable": 0,
    "host-unreachable": 1,
    "protocol-unreachable": 2,
    "port-unreachable": 3,
    "fragmentation-needed": 4,
    "source-route-failed": 5,
    "network-prohibited": 9,
    "host-prohibited": 10,
    "communication-prohibited": 13,
}
_NAMES_V6 = {
    "neighbor-solicitation": "nd-neighbor-solicit",
    "neighbour-solicitation": "nd-neighbor-solicit",
    "neighbor-advertisement": "nd-neighbor-advert",
    "neighbour-advertisement": "nd-neighbor-advert",
    "router-solicitation": "nd-router-solicit",
    "router-advertisement": "nd-router-advert",
    "redirect": "nd-redirect",
}
_NEIGHBORS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept"
_VERDICTS = {"accept": "accept", "drop": "drop", "reject": "jump refuse"}


def render(compiled: PacketFilter | None) -> str:
    """Return one transaction that replaces the loaded filter."""
    if compiled is None:
        return OFF
    chains = [_chain("host-in", compiled.host_in, "iifname"), _chain("host-out", compiled.host_out, "oifname")]
    for guest in compiled.guests:
        chains.append(_chain(f"{guest.veth}-in", guest.inbound, "iifname"))
        chains.append(_chain(f"{guest.veth}-out", guest.outbound, "oifname"))
    inet = "table inet pvefw {\n" + _REFUSE + "".join(chains) + _hooks(compiled) + "}\n"
    return OFF + _bridge_table(compiled.guests) + inet


_REFUSE = """  chain refuse {
    fib daddr type { broadcast, multicast } drop
    meta l4proto { icmp, icmpv6 } drop
    meta l4proto tcp reject with tcp reset
    reject with icmpx type port-unreachable
  }
"""


def _bridge_table(guests: tuple[GuestFilter, ...]) -> str:
    lines = ["table bridge pvefw {", "  chain direction {", "    type filter hook forward priority -250;"]
    lines += [
        f'    iifname "{g.veth}" ether saddr != {g.mac} counter drop comment "guest {g.vmid} macfilter"'
        for g in guests
        if g.mac
    ]
    lines += [f'    iifname "fwln*" meta mark set {_INBOUND}', f'    iifname "veth*" meta mark set {_OUTBOUND}']
    return "\n".join([*lines, "  }", "}"]) + "\n"


def _hooks(compiled: PacketFilter) -> str:
    forward = [
        line
        for g in compiled.guests
        for line in (
            f'meta mark {_INBOUND} iifname "{g.bridge}" jump {g.veth}-in',
            f'meta mark {_OUTBOUND} iifname "{g.bridge}" jump {g.veth}-out',
        )
    ]
    # conntrack forgets a refused connection at the first bridge, so the refusal is invalid at the next one. Proxmox
    # drops it there: the sender of a connection to a closed port sees a timeout.
    known = ["ct state established,related accept", "ct state invalid drop"]
    return "".join(
        (
            _hook("forward", [*known, _NEIGHBORS, *forward]),
            _hook("input", ['iifname "lo" accept', *known, _NEIGHBORS, "jump host-in"]),
            _hook("output", ['oifname "lo" accept', *known, _NEIGHBORS, "jump host-out"]),
        )
    )


def _hook(name: str, lines: list[str]) -> str:
    head = f"  chain {name} {{\n    type filter hook {name} priority 0; policy accept;\n"
    return head + "".join(f"    {line}\n" for line in lines) + "  }\n"


def _chain(name: str, rules: tuple[FilterRule, ...], interface: str) -> str:
    lines = [line for rule in rules for line in _lines(rule, interface)]
    return f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"


def _lines(rule: FilterRule, interface: str) -> Iterator[str]:
    """Yield a rule's nft rules: one for each IP version of its addresses."""
    m = rule.match
    end = f'counter {_VERDICTS[rule.verdict]} comment "{rule.label[:120]}"'
    begin = f'{interface} "{m.interface}" ' if m.interface else ""
    for version in (V4, V6) if m.source or m.dest or m.not_source is not None else (0,):
        parts = [_side("saddr", m.source, version), _side("daddr", m.dest, version)]
        if m.not_source is not None:
            parts.append(_not_from(m.not_source, version))
        if None not in parts and version not in _FOREIGN.get(m.proto, ()):
            yield begin + " ".join([*(p for p in parts if p), *_protocol(m), end])


def _side(side: str, addresses: IpNetworks | None, version: int) -> str | None:
    """Return the match on one end; empty if any address matches, None if no address has this IP version."""
    if addresses is None:
        return ""
    own = [str(net) for net in addresses if net.version == version]
    return f"{_family(version)} {side} {{ {', '.join(own)} }}" if own else None


def _not_from(addresses: IpNetworks, version: int) -> str:
    own = [str(net) for net in addresses if net.version == version]
    own += ["fe80::/10"] if version == V6 else []
    return f"{_family(version)} saddr != {{ {', '.join(own)} }}" if own else f"meta nfproto ipv{version}"


def _family(version: int) -> str:
    return "ip" if version == V4 else "ip6"


def _protocol(m: PacketMatch) -> Iterator[str]:
    """Yield the matches on protocol, ports, ICMP type and special conditions."""
    if m.special == "broadcast":
        yield "fib daddr type { broadcast, multicast, anycast }"
    elif m.special == "not-syn":
        yield "tcp flags & (fin|syn|rst|ack) != syn"
    elif m.icmp:
        yield _icmp(m)
    elif m.sport or m.dport:
        name = {"6": "tcp", "17": "udp", "33": "dccp", "132": "sctp", "136": "udplite"}.get(m.proto, m.proto)
        for side, ranges in (("sport", m.sport), ("dport", m.dport)):
            if ranges:
                yield f"{name} {side} {{ {_ports(ranges)} }}"
    elif m.proto:
        yield f"meta l4proto {m.proto}"


def _icmp(m: PacketMatch) -> str:
    if m.proto == "icmpv6":
        return f"icmpv6 type {_NAMES_V6.get(m.icmp, m.icmp)}"
    if m.icmp in _UNREACHABLE:
        return f"icmp type destination-unreachable icmp code {_UNREACHABLE[m.icmp]}"
    return f"icmp type {m.icmp}"


def _ports(ranges: PortRanges) -> str:
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
