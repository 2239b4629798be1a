"""Recorded cases → for each packet the recorded verdict and the model's.

A recording is a list of cases, each with `local_network`, `cluster` (options, aliases, ipsets, groups, rules), `guests`
by id (ip, mac, nic_firewall, options, rules) and `packets` (from, to, proto, source, dest, dport, verdict). The ends of
a packet are `outside`, `host`, `ct103` or `vm1001`. `recorded` reads and validates such a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import (
    Firewall,
    FirewallNic,
    GuestLevel,
    IpSetEntry,
    LevelConfig,
    parse_bool,
)
from phoenix.pve.firewall.model.evaluate import OUTSIDE, Packet, PacketEnd, PacketVerdict, evaluate
from phoenix.pve.firewall.model.intervals import address_to_int
from phoenix.pve.firewall.model.lookup import SkippedRuleError
from phoenix.pve.firewall.replay.recorded import RecordingError

NODE = "host"


@dataclass(frozen=True)
class ReplayResult:
    """One packet: the index of its case, the recorded verdict, and the model's."""

    case: int
    packet: Packet
    recorded: str
    verdict: PacketVerdict

    @property
    def differs(self) -> bool:
        """Tell whether the model disagrees with the recording."""
        return self.recorded != self.verdict.action

    def __str__(self) -> str:
        decided_by = " ".join(self.verdict.decided_by.split())
        verdicts = f"recorded {self.recorded}, the model says {self.verdict.action} by {decided_by}"
        return f"case {self.case}: {self.packet}: {verdicts}"


def replay(cases: Sequence[Mapping[str, Any]]) -> Iterator[ReplayResult]:
    """Evaluate every packet of every case."""
    for index, case in enumerate(cases):
        try:
            yield from _replay(index, case)
        except SkippedRuleError as error:
            raise RecordingError(f"case {index}: {error}") from None


def _replay(index: int, case: Mapping[str, Any]) -> Iterator[ReplayResult]:
    chains = Chains(firewall_of(case))
    for recorded in case["packets"]:
        packet = packet_of(recorded)
        yield ReplayResult(index, packet, str(recorded["verdict"]), evaluate(chains, packet))


def firewall_of(case: Mapping[str, Any]) -> Firewall:
    """The configuration of a case."""
    return Firewall(
        _level_config(case["cluster"]),
        str(case["local_network"]),
        {name: tuple(rules) for name, rules in (case["cluster"].get("groups") or {}).items()},
        {NODE: LevelConfig()},
        {int(vmid): _guest_level(guest) for vmid, guest in case["guests"].items()},
    )


def packet_of(recorded: Mapping[str, Any]) -> Packet:
    """A recorded packet; its `dport` is a port or the name of an ICMP type."""
    dport = recorded.get("dport", 0)
    icmp = "" if isinstance(dport, int) else str(dport)
    return Packet(
        _packet_end(str(recorded["from"])),
        _packet_end(str(recorded["to"])),
        address_to_int(recorded["source"]),
        address_to_int(recorded["dest"]),
        str(recorded["proto"]),
        dport=0 if icmp else int(dport),
        icmp=icmp,
    )


def _packet_end(name: str) -> PacketEnd:
    return OUTSIDE if name == "outside" else name if name == NODE else int(name.lstrip("ctvm"))


def _guest_level(guest: Mapping[str, Any]) -> GuestLevel:
    nic = FirewallNic(0, (str(guest["ip"]),), str(guest.get("mac") or ""), parse_bool(guest["nic_firewall"]))
    return GuestLevel(_level_config(guest), (nic,))


def _level_config(level: Mapping[str, Any]) -> LevelConfig:
    return LevelConfig(
        level.get("options") or {},
        tuple(level.get("rules") or ()),
        level.get("aliases") or {},
        {name: tuple(map(_entry, entries)) for name, entries in (level.get("ipsets") or {}).items()},
    )


def _entry(entry: str | Mapping[str, Any]) -> IpSetEntry:
    if isinstance(entry, str):
        return IpSetEntry(entry)
    return IpSetEntry(str(entry["cidr"]), parse_bool(entry.get("nomatch")))
