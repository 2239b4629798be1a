"""Answers of the firewall's model as text: why a connection is open or closed, and who can open one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from phoenix.estate import Estate, Hypervisor
from phoenix.estate.sources import Sources
from phoenix.pve.firewall.model.intervals import address_of
from phoenix.pve.firewall.proof.partition import Service
from phoenix.pve.firewall.query.advice import advice
from phoenix.pve.firewall.query.endpoints import WORDS, Party, spell
from phoenix.pve.firewall.query.questions import Answer, Side
from phoenix.report.plain import plain_table

SAYS = {"ACCEPT": "lets it", "DROP": "does not let it", "REJECT": "refuses to let it"}


def why(answers: Sequence[Answer], service: Service, estate: Estate, sources: Sources) -> str:
    """Each answer: the verdict, what both sides say, and the flow, or what would open it."""
    return "\n".join("\n".join(_why(one, service, estate, sources)) + "\n" for one in answers)


def who_can(answers: Sequence[Answer], dest: Party, service: Service, estate: Estate, sources: Sources) -> str:
    """Who can open a connection, each with its flow, and who cannot."""
    asked = f"{spell(service)} of {dest.name}"
    others = (*(WORDS if dest.host else ()), *(host.name for host in estate.live() if host is not dest.host))
    if not answers:
        return f"nobody can open a connection to {asked}: not one of {', '.join(others)}\n"
    rows = [
        (_name(one.source, one.packet.source, one), *_flow(one, sources), str(one.verdict.origin)) for one in answers
    ]
    table = plain_table(("who", "purpose", "because of", "decided by"), rows)
    able = {answer.source.name for answer in answers}
    rest = ", ".join(name for name in others if name not in able)
    return f"{asked} can be asked by\n\n{table}\nand by nobody else" + (f": not by {rest}\n" if rest else "\n")


def _why(one: Answer, service: Service, estate: Estate, sources: Sources) -> Iterator[str]:
    source, dest = _name(one.source, one.packet.source, one), _name(one.dest, one.packet.dest, one)
    yield f"{source} → {dest}, {spell(service)}: {'open' if one.is_open else 'closed'}"
    yield from (f"  {line}" for line in map(_side, one.sides))
    if not one.sides:
        yield "  what a host sends to itself meets no firewall"
    elif one.is_open:
        purpose, place = _flow(one, sources)
        yield f"  flow: {purpose}, {place}" if place else f"  no flow says so: {purpose}"
    else:
        said = advice(estate, one.source, one.dest, service)
        place = f", {sources.place(said.origin[0], said.origin[1:])}" if said.origin else ""
        yield f"  {'' if said.text.startswith('nothing') else 'to open it: '}{said.text}{place}"


def _side(side: Side) -> str:
    return f"{side.host} {SAYS[side.verdict.action]} {side.direction}: {side.verdict.origin}"


def _name(end: Party, place: int, answer: Answer) -> str:
    return end.name if answer.whole or end.host else f"{end.name} (such as {address_of(place)})"


def _flow(answer: Answer, sources: Sources) -> tuple[str, str]:
    flow = answer.flow
    if flow:
        return flow.purpose, sources.place(flow.origin[0], flow.origin[1:])
    free = isinstance(answer.source.host, Hypervisor) and not isinstance(answer.dest.host, Hypervisor)
    return "a hypervisor connects freely" if free else "Proxmox VE itself keeps it open for those who manage", ""
