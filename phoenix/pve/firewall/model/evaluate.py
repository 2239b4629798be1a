"""A packet through the chains: what becomes of it, and which rule decides.

Source: Administration Guide, "Proxmox VE Firewall". A packet meets at most one sender's and one receiver's chain: a
guest's or a node's. Both must accept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from phoenix.pve.firewall.model.chains import Chain, Chains
from phoenix.pve.firewall.model.configuration import Direction
from phoenix.pve.firewall.model.intervals import address_of, contains
from phoenix.pve.firewall.model.match import Action, Match, Origin

OUTSIDE = ""
EPHEMERAL = 49_152
"""A port that a client might be given for its own end (RFC 6335 section 6)."""
End = int | str
"""Who sends or receives: a guest's id, a node's name, or `OUTSIDE`."""


@dataclass(frozen=True)
class Packet:
    """A packet that opens a connection, or with `established` one of a connection that is open.

    Addresses are places on the line of `intervals`. `icmp` is the type's name. `broadcast` is one that goes to many.
    """

    sender: End
    receiver: End
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
        what = f"{self.proto} {self.icmp or self.dport or ''}".strip()
        return f"{what} from {address_of(self.source)} to {address_of(self.dest)}"


@dataclass(frozen=True)
class Verdict:
    """What becomes of a packet; `origin` is the rule that decides, None where nothing filters."""

    action: Action
    origin: Origin | None = None


def judge(chains: Chains, packet: Packet) -> Verdict:
    """Send a packet through its sender's chain and its receiver's; the first that refuses decides, or the last."""
    last = Verdict("ACCEPT")
    for verdict in () if packet.established else verdicts(chains, packet):
        last = verdict
        if last.action != "ACCEPT":
            break
    return last


def verdicts(chains: Chains, packet: Packet) -> Iterator[Verdict]:
    """What each end that filters says of a packet that opens a connection."""
    sides: tuple[tuple[End, int, Direction], ...] = (
        (packet.sender, packet.source, "out"),
        (packet.receiver, packet.dest, "in"),
    )
    for end, address, direction in sides:
        chain = chain_of(chains, end, address, direction)
        if chain is not None:
            yield decide(chain, packet)


def chain_of(chains: Chains, end: End, address: int, direction: Direction) -> Chain | None:
    """The chain that a packet of an end meets; None where there is none."""
    if isinstance(end, str):
        return chains.node(end, direction) if end else None
    guest = chains.firewall.guests.get(end)
    if guest is None or not guest.nics:
        return None
    own = str(address_of(address))
    nic = next((nic for nic in guest.nics if own in nic.addresses), guest.nics[0])
    return chains.guest(end, nic, direction)


def decide(chain: Chain, packet: Packet) -> Verdict:
    """The first step that fits; a chain ends with a policy, which always does."""
    return next(Verdict(step.action, step.origin) for step in chain if fits(step.match, packet))


def fits(match: Match, packet: Packet) -> bool:
    """Tell whether a packet is what a step asks for."""
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
