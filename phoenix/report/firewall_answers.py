"""Format answers of the firewall's model: why a connection is open or closed, and which endpoints can open one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from phoenix.estate import Estate, Hypervisor
from phoenix.estate.key_locations import Sources
from phoenix.pve.firewall.model.intervals import int_to_address
from phoenix.pve.firewall.proof.traffic_classes import TrafficClass
from phoenix.pve.firewall.query.advice import advice
from phoenix.pve.firewall.query.answer import ConnectionAnswer, SideVerdict
from phoenix.pve.firewall.query.endpoints import WORDS, QueryEndpoint, format_traffic
from phoenix.report.plain import plain_table

ACTIONS = {"ACCEPT": "accepts", "DROP": "drops", "REJECT": "rejects"}
DIRECTIONS = {"in": "inbound", "out": "outbound"}


def why(answers: Sequence[ConnectionAnswer], traffic: TrafficClass, estate: Estate, sources: Sources) -> str:
    """Format each answer: the verdict, that of both sides, and the flow, or what would open the connection."""
    return "\n".join("\n".join(_why(one, traffic, estate, sources)) + "\n" for one in answers)


def who_can(
    answers: Sequence[ConnectionAnswer], dest: QueryEndpoint, traffic: TrafficClass, estate: Estate, sources: Sources
) -> str:
    """List the endpoints that can open the connection, each with its flow, and those that cannot."""
    target = f"{format_traffic(traffic)} of {dest.name}" + (f" ({dest.via})" if dest.via else "")
    every = (*(WORDS if dest.host else ()), *(host.name for host in estate.live() if host is not dest.host))
    if not answers:
        return f"{target} is closed to {', '.join(every)}\n"
    rows = [
        (_name(one.source, one.packet.source, one), *_flow(one, sources), str(one.verdict.origin)) for one in answers
    ]
    table = plain_table(("source", "purpose", "because of", "decided by"), rows)
    able = {answer.source.name for answer in answers}
    closed = ", ".join(name for name in every if name not in able)
    return f"{target} is open to\n\n{table}\n" + (f"and closed to {closed}\n" if closed else "")


def _why(one: ConnectionAnswer, traffic: TrafficClass, estate: Estate, sources: Sources) -> Iterator[str]:
    source, dest = _name(one.source, one.packet.source, one), _name(one.dest, one.packet.dest, one)
    yield f"{source} → {dest}, {format_traffic(traffic)}: {'open' if one.is_open else 'closed'}"
    yield from (f"  {line}" for line in map(_side, one.sides))
    if not one.sides:
        yield "  traffic from a host to itself is not filtered"
    elif one.is_open:
        purpose, place = _flow(one, sources)
        yield f"  flow: {purpose}, {place}" if place else f"  no flow: {purpose}"
    else:
        found = advice(estate, one.source, one.dest, traffic)
        place = f", {sources.place(found.origin[0], found.origin[1:])}" if found.origin else ""
        yield f"  {'to open it' if found.opens else 'cannot be opened'}: {found.text}{place}"


def _side(side: SideVerdict) -> str:
    return f"{side.host} {ACTIONS[side.verdict.action]} it {DIRECTIONS[side.direction]}: {side.verdict.origin}"


def _name(endpoint: QueryEndpoint, address: int, answer: ConnectionAnswer) -> str:
    if answer.whole or endpoint.host:
        return endpoint.name + (f" ({endpoint.via})" if endpoint.via else "")
    return f"{endpoint.name} (such as {int_to_address(address)})"


def _flow(answer: ConnectionAnswer, sources: Sources) -> tuple[str, str]:
    flow = answer.flow
    if flow:
        return flow.purpose, sources.place(flow.origin[0], flow.origin[1:])
    is_outbound = isinstance(answer.source.host, Hypervisor) and not isinstance(answer.dest.host, Hypervisor)
    return "a hypervisor may open any connection" if is_outbound else "Proxmox VE opens it to `management`", ""
