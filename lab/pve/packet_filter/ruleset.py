"""The packet filter as data: the compiler's result, which ``nft`` renders. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

IpNetwork = IPv4Network | IPv6Network
IpNetworks = tuple[IpNetwork, ...]
PortRanges = tuple[tuple[int, int], ...]
FilterVerdict = Literal["accept", "drop", "reject"]
SpecialMatch = Literal["", "broadcast", "not-syn"]


@dataclass(frozen=True)
class PacketMatch:
    """The packets that a rule applies to; an empty field matches any packet."""

    proto: str = ""
    sport: PortRanges = ()
    dport: PortRanges = ()
    icmp: str = ""
    source: IpNetworks | None = None
    dest: IpNetworks | None = None
    not_source: IpNetworks | None = None
    interface: str = ""
    special: SpecialMatch = ""


@dataclass(frozen=True)
class FilterRule:
    """One rule of a chain; the label names the configuration's rule that it comes from."""

    match: PacketMatch
    verdict: FilterVerdict
    label: str


@dataclass(frozen=True)
class GuestFilter:
    """The two chains of one filtered interface."""

    vmid: int
    index: int
    inbound: tuple[FilterRule, ...]
    outbound: tuple[FilterRule, ...]
    mac: str = ""

    @property
    def veth(self) -> str:
        """The name of the interface's host end."""
        return f"veth{self.vmid}i{self.index}"

    @property
    def bridge(self) -> str:
        """The name of the interface's own bridge, which identifies its packets."""
        return f"fwbr{self.vmid}i{self.index}"


@dataclass(frozen=True)
class PacketFilter:
    """All chains of the node, and the skipped rules with their reasons."""

    guests: tuple[GuestFilter, ...]
    host_in: tuple[FilterRule, ...]
    host_out: tuple[FilterRule, ...]
    skipped: tuple[str, ...] = ()
