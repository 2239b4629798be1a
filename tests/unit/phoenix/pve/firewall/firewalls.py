"""Small firewalls for tests of the model: one node `pve`, guests 101 and 102, all of it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Entry, Firewall, GuestScope, Nic, Scope
from phoenix.pve.firewall.model.evaluate import End, Packet, judge
from phoenix.pve.firewall.model.intervals import number

ADDRESSES: dict[End, str] = {101: "10.0.0.101", 102: "10.0.0.102", "pve": "10.0.0.13", "": "203.0.113.9"}
MAC = "BC:24:11:00:00:65"


def rule(kind: str, action: str, **fields: Any) -> dict[str, Any]:
    """A rule that is on."""
    return {"type": kind, "action": action, "enable": 1, **fields}


def guest(
    *rules: dict[str, Any], vmid: int = 101, ipsets: Mapping[str, tuple[Entry, ...]] | None = None, **options: Any
) -> GuestScope:
    """A filtered guest; a new one forbids nothing that it sends, and takes nothing."""
    scope = Scope({"enable": 1, **options}, rules, ipsets=ipsets or {})
    return GuestScope(scope, (Nic(0, (ADDRESSES[vmid],), MAC),))


def firewall(*rules: dict[str, Any], guests: dict[int, GuestScope] | None = None, **more: Any) -> Firewall:
    """A firewall whose cluster has these rules."""
    cluster = Scope({"enable": 1, **more.pop("options", {})}, rules, more.pop("aliases", {}), more.pop("ipsets", {}))
    return Firewall(cluster, "10.0.0.0/24", nodes={"pve": more.pop("node", Scope())}, guests=guests or {}, **more)


def packet(sender: End, receiver: End, proto: str = "tcp", dport: int = 80, **more: Any) -> Packet:
    """A packet between two ends that have their usual addresses."""
    source, dest = (number(more.pop(key, ADDRESSES[end])) for key, end in (("source", sender), ("dest", receiver)))
    return Packet(sender, receiver, source, dest, proto, dport, **more)


def verdict(given: Firewall, one: Packet) -> str:
    """What becomes of a packet."""
    return judge(Chains(given), one).action


def on_nftables(given: Firewall) -> Firewall:
    """The same configuration under the other backend."""
    return replace(given, backend="nftables")
