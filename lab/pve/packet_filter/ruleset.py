"""The filter as data: what the compiler makes of a firewall configuration, and nft text is made from. Pure."""

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
    """What a packet must be for a rule to apply; an empty field does not matter."""

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
    """One step of a chain; the label says which rule of the configuration it comes from."""

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
        """The host's end of the interface."""
        return f"veth{self.vmid}i{self.index}"

    @property
    def bridge(self) -> str:
        """The interface's own bridge, by which its packets are told from others'."""
        return f"fwbr{self.vmid}i{self.index}"


@dataclass(frozen=True)
class PacketFilter:
    """Everything that is filtered on the node, and the rules that were left out with the reason."""

    guests: tuple[GuestFilter, ...]
    host_in: tuple[FilterRule, ...]
    host_out: tuple[FilterRule, ...]
    skipped: tuple[str, ...] = ()
