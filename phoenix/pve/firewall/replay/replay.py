"""Recorded verdicts of Proxmox VE's own simulator against the model's: a file's configurations and their packets.

The structure: a list of cases, each with `local_network`, `host_ip`, `cluster` (options, aliases, ipsets, groups,
rules), `guests` by id (ip, mac, nic_firewall, options, rules) and `packets` (from, to, proto, source, dest, dport,
verdict), where ends are `outside`, `host`, `ct103` or `vm1001`. `recorded` reads such a file and looks at its shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Entry, Firewall, GuestScope, Nic, Scope, truth
from phoenix.pve.firewall.model.evaluate import OUTSIDE, End, Packet, Verdict, judge
from phoenix.pve.firewall.model.intervals import number
from phoenix.pve.firewall.model.lookup import RuleError
from phoenix.pve.firewall.replay.recorded import RecordError

NODE = "host"


@dataclass(frozen=True)
class Replayed:
    """One packet: the case that it is of, what was recorded, and what the model says."""

    case: int
    packet: Packet
    recorded: str
    verdict: Verdict

    @property
    def differs(self) -> bool:
        """Tell whether the model is wrong."""
        return self.recorded != self.verdict.action

    def __str__(self) -> str:
        why = " ".join(str(self.verdict.origin or "nothing, for nothing filters it").split())
        return f"case {self.case}: {self.packet}: recorded {self.recorded}, judged {self.verdict.action} by {why}"


def replay(cases: Sequence[Mapping[str, Any]]) -> Iterator[Replayed]:
    """Judge every packet of every case."""
    for index, case in enumerate(cases):
        try:
            yield from _replay(index, case)
        except RuleError as error:
            raise RecordError(f"case {index}: {error}") from None


def _replay(index: int, case: Mapping[str, Any]) -> Iterator[Replayed]:
    chains = Chains(firewall_of(case))
    for recorded in case["packets"]:
        packet = packet_of(recorded)
        yield Replayed(index, packet, str(recorded["verdict"]), judge(chains, packet))


def firewall_of(case: Mapping[str, Any]) -> Firewall:
    """The configuration of a case."""
    return Firewall(
        _scope(case["cluster"]),
        str(case["local_network"]),
        {name: tuple(rules) for name, rules in (case["cluster"].get("groups") or {}).items()},
        {NODE: Scope()},
        {int(vmid): _guest(guest) for vmid, guest in case["guests"].items()},
    )


def packet_of(recorded: Mapping[str, Any]) -> Packet:
    """A recorded packet."""
    what = recorded.get("dport", 0)
    icmp = "" if isinstance(what, int) else str(what)
    return Packet(
        _end(str(recorded["from"])),
        _end(str(recorded["to"])),
        number(recorded["source"]),
        number(recorded["dest"]),
        str(recorded["proto"]),
        dport=0 if icmp else int(what),
        icmp=icmp,
    )


def _end(name: str) -> End:
    return OUTSIDE if name == "outside" else name if name == NODE else int(name.lstrip("ctvm"))


def _guest(given: Mapping[str, Any]) -> GuestScope:
    nic = Nic(0, (str(given["ip"]),), str(given.get("mac") or ""), truth(given["nic_firewall"]))
    return GuestScope(_scope(given), (nic,))


def _scope(given: Mapping[str, Any]) -> Scope:
    return Scope(
        given.get("options") or {},
        tuple(given.get("rules") or ()),
        given.get("aliases") or {},
        {name: tuple(map(_entry, entries)) for name, entries in (given.get("ipsets") or {}).items()},
    )


def _entry(given: str | Mapping[str, Any]) -> Entry:
    return Entry(given) if isinstance(given, str) else Entry(str(given["cidr"]), truth(given.get("nomatch")))
