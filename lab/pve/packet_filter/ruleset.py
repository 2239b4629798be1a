"""The filter as data: what the compiler makes of a firewall configuration, and nft text is made from. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

Network = IPv4Network | IPv6Network
Addresses = tuple[Network, ...]
Ports = tuple[tuple[int, int], ...]
Verdict = Literal["accept", "drop", "reject"]
Special = Literal["", "broadcast", "not-syn"]


@dataclass(frozen=True)
class Match:
    """What a packet must be for a rule to apply; an empty field does not matter."""

    proto: str = ""
    sport: Ports = ()
    dport: Ports = ()
    icmp: str = ""
    source: Addresses | None = None
    dest: Addresses | None = None
    not_source: Addresses | None = None
    interface: str = ""
    special: Special = ""


@dataclass(frozen=True)
class Rule:
    """One step of a chain; the label says which rule of the configuration it comes from."""

    match: Match
    verdict: Verdict
    label: str


@dataclass(frozen=True)
class GuestFilter:
    """The two chains of one filtered interface."""

    vmid: int
    index: int
    inbound: tuple[Rule, ...]
    outbound: tuple[Rule, ...]
    mac: str = ""

    @property
    def veth(self) -> str:
        """The host's end of the interface."""
        return f"veth{self.vmid}i{self.index}"

    @property
    def bridge(self) -> str:
        """The interface's own bridge, by which its packets are told from others'."""
        return f"fwbr{self.vmid}i{self.index}"


@dataclass(frozen=True)
class Filter:
    """Everything that is filtered on the node, and the rules that were left out with the reason."""

    guests: tuple[GuestFilter, ...]
    host_in: tuple[Rule, ...]
    host_out: tuple[Rule, ...]
    skipped: tuple[str, ...] = ()
