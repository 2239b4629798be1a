"""What a rule's words stand for: addresses, aliases, sets and ports. What means nothing is a RuleError.

Source: PVE::Firewall's syntax, as the Administration Guide gives it in "IP Aliases", "IP Sets" and "Firewall Rules".
"""

from __future__ import annotations

import re
from functools import lru_cache

from phoenix.errors import PhoenixError
from phoenix.pve.firewall.model.configuration import Entry, Scope
from phoenix.pve.firewall.model.intervals import V4_END, Interval, Intervals, network, number, union, without
from phoenix.pve.firewall.model.port_names import SERVICES

NAME = re.compile(r"(?:(dc|guest)/)?([A-Za-z][A-Za-z0-9_-]+)")
MOST_PORTS = 15
"""What iptables' multiport match takes; a range counts for two (iptables-extensions(8))."""
HIGHEST_PORT = 65535


class RuleError(PhoenixError):
    """A rule that Proxmox would leave out, without a word to the one who wrote it."""


class Names:
    """Aliases and sets as a rule of a scope sees them: its own first, then the cluster's."""

    def __init__(self, own: Scope, cluster: Scope) -> None:
        self._places = {"guest": own, "dc": cluster}

    def addresses(self, text: str) -> Intervals:
        """What a rule's source or dest names."""
        if text.startswith("+"):
            return self.members(text[1:])
        if NAME.fullmatch(text):
            return (self._alias(text),)
        found = union(_literal(word.strip()) for word in text.split(","))
        if found[0][0] < V4_END <= found[-1][1]:
            raise RuleError(f"'{text}' mixes IPv4 and IPv6")
        return found

    def members(self, text: str) -> Intervals:
        """The members of a set; among entries that overlap the most specific decides."""
        scope, name = _scoped(text)
        for where, place in self._places.items():
            if scope in ("", where) and name in place.ipsets:
                return self._collect(place.ipsets[name])
        raise RuleError(f"there is no set '{text}'")

    def has_set(self, name: str) -> bool:
        """Tell whether a set of the name can be seen from here."""
        return any(name in place.ipsets for place in self._places.values())

    def _collect(self, entries: tuple[Entry, ...]) -> Intervals:
        places = [(self._member(entry.cidr), entry.nomatch) for entry in entries]
        found: Intervals = ()
        for place, excluded in sorted(places, key=lambda item: item[0][0] - item[0][1]):
            found = without(found, place) if excluded else union((*found, place))
        return found

    def _member(self, text: str) -> Interval:
        return self._alias(text) if NAME.fullmatch(text) else _literal(text)

    def _alias(self, text: str) -> Interval:
        scope, name = _scoped(text)
        for where, place in self._places.items():
            cidr = {alias.lower(): cidr for alias, cidr in place.aliases.items()}.get(name.lower())
            if scope in ("", where) and cidr:
                return _literal(cidr)
        raise RuleError(f"there is no alias '{text}'")


def _scoped(text: str) -> tuple[str, str]:
    found = NAME.fullmatch(text)
    if not found:
        raise RuleError(f"'{text}' is not a name")
    return found[1] or "", found[2]


@lru_cache(maxsize=65536)
def _literal(text: str) -> Interval:
    try:
        if "-" not in text:
            return network(text)
        low, high = (number(end) for end in text.split("-"))
    except ValueError as error:
        raise RuleError(f"'{text}' is not an address: {error}") from None
    if low > high or low < V4_END <= high:
        raise RuleError(f"the range '{text}' does not go from a lower to a higher address")
    return low, high


@lru_cache(maxsize=65536)
def ports(text: str) -> Intervals:
    """Read `80,443,5900:5999,https`."""
    found = [_range(word.strip()) for word in text.split(",")]
    if sum(1 if low == high else 2 for low, high in found) > MOST_PORTS:
        raise RuleError(f"'{text}' names more than {MOST_PORTS} ports (a range counts for two)")
    return union(found)


def _range(text: str) -> Interval:
    first, colon, last = text.partition(":")
    low, high = _port(first), _port(last if colon else first)
    if low > high:
        raise RuleError(f"the range of ports '{text}' goes backwards")
    return low, high


def _port(text: str) -> int:
    found = int(text) if text.isdecimal() else SERVICES.get(text)
    if found is None or found > HIGHEST_PORT:
        raise RuleError(f"'{text}' is not a port")
    return found
