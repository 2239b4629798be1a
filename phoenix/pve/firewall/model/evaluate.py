"""A packet and the chains → the verdict and the rule that decides.

Source: Administration Guide, "Proxmox VE Firewall". A packet meets at most one sender's and one receiver's chain, each
of a guest or a node. Both must accept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from phoenix.pve.firewall.model.chains import Chains, RuleChain
from phoenix.pve.firewall.model.configuration import FirewallNic, TrafficDirection
from phoenix.pve.firewall.model.intervals import contains, int_to_address
from phoenix.pve.firewall.model.match import RuleAction, RuleMatch, RuleOrigin

OUTSIDE = ""
EPHEMERAL = 49_152
"""A typical source port of a client: the first of the dynamic ports (RFC 6335 section 6)."""
PacketEnd = int | str
"""The sender or receiver of a packet: a guest's id, a node's name, or `OUTSIDE`."""


@dataclass(frozen=True)
class Packet:
    """A packet that opens a connection, or with `established` one of an open connection.

    `source` and `dest` are addresses as integers of `intervals`. `icmp` is the name of the ICMP type. `broadcast` marks
    a broadcast or multicast packet.
    """

    sender: PacketEnd
    receiver: PacketEnd
    source: int
    dest: int
    proto: str
    dport: int = 0
    sport: int = EPHEMERAL
    icmp: str = ""
    mac: str = ""
    established: bool = False
    broadcast: bool = False
    syn: bool = True

    def __str__(self) -> str:
        traffic = f"{self.proto} {self.icmp or self.dport or ''}".strip()
        return f"{traffic} from {int_to_address(self.source)} to {int_to_address(self.dest)}"


@dataclass(frozen=True)
class PacketVerdict:
    """The action on a packet; `origin` is the rule that decides, None if no chain filters the packet."""

    action: RuleAction
    origin: RuleOrigin | None = None

    @property
    def decided_by(self) -> str:
        """The deciding rule as text."""
        return str(self.origin or "no rule, since no chain filters it")


def evaluate(chains: Chains, packet: Packet) -> PacketVerdict:
    """Send a packet through its sender's and its receiver's chain; the first that refuses decides, else the last."""
    last = PacketVerdict("ACCEPT")
    for verdict in () if packet.established else side_verdicts(chains, packet):
        last = verdict
        if last.action != "ACCEPT":
            break
    return last


def side_verdicts(chains: Chains, packet: Packet) -> Iterator[PacketVerdict]:
    """Evaluate a packet that opens a connection at each end that filters."""
    sides: tuple[tuple[PacketEnd, int, TrafficDirection], ...] = (
        (packet.sender, packet.source, "out"),
        (packet.receiver, packet.dest, "in"),
    )
    for end, address, direction in sides:
        chain = chain_of(chains, end, address, direction)
        if chain is not None:
            yield evaluate_chain(chain, packet)


def chain_of(chains: Chains, end: PacketEnd, address: int, direction: TrafficDirection) -> RuleChain | None:
    """The chain that filters an end's packets; None if there is none."""
    if isinstance(end, str):
        return chains.node(end, direction) if end else None
    nic = nic_of(chains, end, address)
    return chains.guest(end, nic, direction) if nic else None


def nic_of(chains: Chains, vmid: int, address: int) -> FirewallNic | None:
    """The interface of a guest that has an address, or else its first one; None if it has none."""
    guest = chains.firewall.guests.get(vmid)
    if guest is None or not guest.nics:
        return None
    own = str(int_to_address(address))
    return next((nic for nic in guest.nics if own in nic.addresses), guest.nics[0])


def evaluate_chain(chain: RuleChain, packet: Packet) -> PacketVerdict:
    """The verdict of the first rule that matches; a chain ends with a policy, which always does."""
    return next(PacketVerdict(rule.action, rule.origin) for rule in chain if matches(rule.match, packet))


def matches(match: RuleMatch, packet: Packet) -> bool:
    """Tell whether a packet meets every condition of a match."""
    return (
        (not match.proto or match.proto == packet.proto)
        and (not match.dport or contains(match.dport, packet.dport))
        and (not match.sport or contains(match.sport, packet.sport))
        and (not match.icmp or match.icmp == packet.icmp)
        and (match.source is None or contains(match.source, packet.source))
        and (match.dest is None or contains(match.dest, packet.dest))
        and (match.not_source is None or not contains(match.not_source, packet.source))
        and (not match.not_mac or (packet.mac != "" and packet.mac.upper() != match.not_mac))
        and (match.special != "broadcast" or packet.broadcast)
        and (match.special != "not-syn" or not packet.syn)
    )
