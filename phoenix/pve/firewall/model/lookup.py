"""The text of a rule's fields → addresses and ports as intervals; text without a meaning is a SkippedRuleError.

Source: Administration Guide, "IP Aliases", "IP Sets" and "Firewall Rules".
"""

from __future__ import annotations

import re
from functools import lru_cache

from phoenix.errors import PhoenixError
from phoenix.pve.firewall.model.configuration import IpSetEntry, LevelConfig
from phoenix.pve.firewall.model.intervals import (
    V4_END,
    ClosedInterval,
    Intervals,
    address_to_int,
    parse_network,
    subtract,
    union,
)
from phoenix.pve.firewall.model.port_names import PORT_NUMBERS

NAME = re.compile(r"(?:(dc|guest)/)?([A-Za-z][A-Za-z0-9_-]+)")
MAX_PORTS = 15
"""The limit of iptables' multiport match, where a range counts as two ports (iptables-extensions(8))."""
MAX_PORT = 65535


class SkippedRuleError(PhoenixError):
    """A rule that Proxmox silently ignores; the message states the reason."""


class AddressLookup:
    """The aliases and IP sets that rules of a level may name: the level's own before the cluster's."""

    def __init__(self, own: LevelConfig, cluster: LevelConfig) -> None:
        self._levels = {"guest": own, "dc": cluster}

    def addresses(self, text: str) -> Intervals:
        """Resolve a rule's source or destination: a set, an alias, or a list of addresses, networks and ranges."""
        if text.startswith("+"):
            return self.members(text[1:])
        if NAME.fullmatch(text):
            return (self._alias(text),)
        parts = union(_parse_literal(word.strip()) for word in text.split(","))
        if parts[0][0] < V4_END <= parts[-1][1]:
            raise SkippedRuleError(f"'{text}' mixes IPv4 and IPv6")
        return parts

    def members(self, text: str) -> Intervals:
        """Resolve an IP set; of entries that overlap, the most specific decides."""
        scope, name = _split_scope(text)
        for prefix, config in self._levels.items():
            if scope in ("", prefix) and name in config.ipsets:
                return self._collect(config.ipsets[name])
        raise SkippedRuleError(f"there is no set '{text}'")

    def has_set(self, name: str) -> bool:
        """Tell whether a set of this name exists at the level or the cluster."""
        return any(name in config.ipsets for config in self._levels.values())

    def _collect(self, entries: tuple[IpSetEntry, ...]) -> Intervals:
        parts = [(self._member(entry.cidr), entry.nomatch) for entry in entries]
        members: Intervals = ()
        for part, excluded in sorted(parts, key=lambda item: item[0][0] - item[0][1]):
            members = subtract(members, part) if excluded else union((*members, part))
        return members

    def _member(self, text: str) -> ClosedInterval:
        return self._alias(text) if NAME.fullmatch(text) else _parse_literal(text)

    def _alias(self, text: str) -> ClosedInterval:
        scope, name = _split_scope(text)
        for prefix, config in self._levels.items():
            cidr = {alias.lower(): cidr for alias, cidr in config.aliases.items()}.get(name.lower())
            if scope in ("", prefix) and cidr:
                return _parse_literal(cidr)
        raise SkippedRuleError(f"there is no alias '{text}'")


def _split_scope(text: str) -> tuple[str, str]:
    match = NAME.fullmatch(text)
    if not match:
        raise SkippedRuleError(f"'{text}' is not a name")
    return match[1] or "", match[2]


@lru_cache(maxsize=65536)
def _parse_literal(text: str) -> ClosedInterval:
    try:
        if "-" not in text:
            return parse_network(text)
        low, high = (address_to_int(end) for end in text.split("-"))
    except ValueError as error:
        raise SkippedRuleError(f"'{text}' is not an address: {error}") from None
    if low > high or low < V4_END <= high:
        raise SkippedRuleError(f"the range '{text}' does not ascend from one address to another of the same IP version")
    return low, high


@lru_cache(maxsize=65536)
def parse_ports(text: str) -> Intervals:
    """Read a list of ports such as `80,443,5900:5999,https`."""
    ranges = [_parse_range(word.strip()) for word in text.split(",")]
    if sum(1 if low == high else 2 for low, high in ranges) > MAX_PORTS:
        raise SkippedRuleError(f"'{text}' names more than {MAX_PORTS} ports (a range counts as two)")
    return union(ranges)


def _parse_range(text: str) -> ClosedInterval:
    first, colon, last = text.partition(":")
    low, high = _parse_port(first), _parse_port(last if colon else first)
    if low > high:
        raise SkippedRuleError(f"the port range '{text}' descends")
    return low, high


def _parse_port(text: str) -> int:
    port = int(text) if text.isdecimal() else PORT_NUMBERS.get(text)
    if port is None or port > MAX_PORT:
        raise SkippedRuleError(f"'{text}' is not a port")
    return port
