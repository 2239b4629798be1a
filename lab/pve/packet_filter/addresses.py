"""Resolves a rule's addresses, aliases, IP sets and ports to disjoint sets. Pure."""

import re
import socket
from collections.abc import Mapping
from ipaddress import collapse_addresses, ip_address, ip_network, summarize_address_range
from typing import Any

from phoenix.lab.pve.packet_filter.ruleset import IpNetwork, IpNetworks, PortRanges

FirewallConf = Mapping[str, Any]
"""A firewall configuration of one level (cluster, node or guest), in the API's format."""
_NAME = re.compile(r"(?:(dc|guest)/)?([A-Za-z][A-Za-z0-9_-]+)")
_MAX_PORTS = 15


class UnusableRuleError(Exception):
    """A rule is invalid; the filter skips it and applies the others."""


def resolve(text: str, conf: FirewallConf, cluster: FirewallConf) -> IpNetworks:
    """Return the networks of a rule's source or dest."""
    if text.startswith("+"):
        return ipset(text[1:], conf, cluster)
    if _NAME.fullmatch(text):
        return (alias(text, conf, cluster),)
    return _union([net for item in text.split(",") for net in _literal(item.strip())])


def alias(text: str, conf: FirewallConf, cluster: FirewallConf) -> IpNetwork:
    """Return an alias's network: the guest's own alias first, then the cluster's."""
    scope, name = _scoped(text)
    for where, place in (("guest", conf), ("dc", cluster)):
        entry = place["aliases"].get(name.lower())
        if scope in ("", where) and entry:
            return ip_network(entry["cidr"], strict=False)
    raise UnusableRuleError(f"no such alias '{text}'")


def ipset(text: str, conf: FirewallConf, cluster: FirewallConf) -> IpNetworks:
    """Return an IP set's networks; of overlapping entries the most specific decides, as in the kernel (ipset(8))."""
    scope, name = _scoped(text)
    for where, place in (("guest", conf), ("dc", cluster)):
        entries = place["ipset"].get(name)
        if scope in ("", where) and entries is not None:
            return _members(entries, conf, cluster)
    raise UnusableRuleError(f"no such ipset '{text}'")


def _members(entries: list[dict[str, Any]], conf: FirewallConf, cluster: FirewallConf) -> IpNetworks:
    nets = [(_member(e["cidr"], conf, cluster), bool(int(e.get("nomatch") or 0))) for e in entries]
    members: list[IpNetwork] = []
    for net, excluded in sorted(nets, key=lambda item: item[0].prefixlen):
        members = _without(members, net) if excluded else [*members, net]
    return _union(members)


def _member(text: str, conf: FirewallConf, cluster: FirewallConf) -> IpNetwork:
    return alias(text, conf, cluster) if _NAME.fullmatch(text) else _literal(text)[0]


def _without(nets: list[IpNetwork], hole: IpNetwork) -> list[IpNetwork]:
    remaining: list[IpNetwork] = []
    for net in nets:
        if net.version != hole.version or not net.overlaps(hole):
            remaining.append(net)
        elif hole.prefixlen > net.prefixlen:
            remaining.extend(net.address_exclude(hole))  # type: ignore[arg-type]  # the same version, checked above
    return remaining


def _union(nets: list[IpNetwork]) -> IpNetworks:
    v4 = collapse_addresses([net for net in nets if net.version == 4])  # noqa: PLR2004
    v6 = collapse_addresses([net for net in nets if net.version == 6])  # noqa: PLR2004
    return (*v4, *v6)


def _literal(text: str) -> list[IpNetwork]:
    try:
        if "-" in text:
            first, last = (ip_address(part) for part in text.split("-"))
            return list(summarize_address_range(first, last))
        return [ip_network(text, strict=False)]
    except (TypeError, ValueError) as error:
        raise UnusableRuleError(f"'{text}' is not an address: {error}") from error


def _scoped(text: str) -> tuple[str, str]:
    match = _NAME.fullmatch(text)
    if not match:
        raise UnusableRuleError(f"'{text}' is not a name")
    return match[1] or "", match[2]


def ports(text: str) -> PortRanges:
    """Return the port ranges of a list like ``80,443,5900:5999,https``; adjacent ranges are merged."""
    if not text:
        return ()
    ranges = [_range(item.strip()) for item in text.split(",")]
    if sum(1 if low == high else 2 for low, high in ranges) > _MAX_PORTS:
        raise UnusableRuleError(f"too many entries in port list '{text}' (> {_MAX_PORTS} numbers)")
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def _range(text: str) -> tuple[int, int]:
    first, colon, last = text.partition(":")
    low, high = _port(first), _port(last if colon else first)
    if low > high:
        raise UnusableRuleError(f"backwards port range '{text}'")
    return low, high


def _port(text: str) -> int:
    if not text.isdigit():
        try:
            return socket.getservbyname(text)
        except OSError as error:
            raise UnusableRuleError(f"invalid port '{text}'") from error
    if int(text) > 65535:  # noqa: PLR2004
        raise UnusableRuleError(f"invalid port '{text}'")
    return int(text)
