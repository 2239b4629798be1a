"""The answer to a question about a connection: the verdict, its reason at each side, and the flow that permits it."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.derive.flows import Flow
from phoenix.pve.firewall.model.configuration import TrafficDirection
from phoenix.pve.firewall.model.evaluate import Packet, PacketVerdict
from phoenix.pve.firewall.query.endpoints import QueryEndpoint


@dataclass(frozen=True)
class SideVerdict:
    """The verdict of one host that filters, and the flows that permit the packet there."""

    host: str
    direction: TrafficDirection
    verdict: PacketVerdict
    flows: tuple[Flow, ...]


@dataclass(frozen=True)
class ConnectionAnswer:
    """The verdict on one packet between two endpoints, and that of each side that filters.

    If the answer is `whole`, it holds for all addresses of both endpoints; otherwise for those that rules do not
    distinguish from the packet's.
    """

    source: QueryEndpoint
    dest: QueryEndpoint
    packet: Packet
    verdict: PacketVerdict
    sides: tuple[SideVerdict, ...]
    whole: bool = True

    @property
    def is_open(self) -> bool:
        """Tell whether the connection can be opened."""
        return self.verdict.action == "ACCEPT"

    @property
    def flow(self) -> Flow | None:
        """The flow that permits the connection, preferably one that both sides have in common."""
        by_side = [side.flows for side in self.sides if side.flows]
        if not by_side:
            return None
        common = (flow for flow in by_side[0] if all(flow in other for other in by_side))
        return next(common, by_side[-1][0])
