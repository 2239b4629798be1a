"""Small firewalls for tests of the model: one node `pve`, guests 101 and 102, every level enabled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from phoenix.pve.firewall.model.chains import Chains
from phoenix.pve.firewall.model.configuration import Firewall, FirewallNic, GuestLevel, IpSetEntry, LevelConfig
from phoenix.pve.firewall.model.evaluate import Packet, PacketEnd, evaluate
from phoenix.pve.firewall.model.intervals import address_to_int

ADDRESSES: dict[PacketEnd, str] = {101: "10.0.0.101", 102: "10.0.0.102", "pve": "10.0.0.13", "": "203.0.113.9"}
MAC = "BC:24:11:00:00:65"


def rule(kind: str, action: str, **fields: Any) -> dict[str, Any]:
    """An enabled rule."""
    return {"type": kind, "action": action, "enable": 1, **fields}


def guest(
    *rules: dict[str, Any], vmid: int = 101, ipsets: Mapping[str, tuple[IpSetEntry, ...]] | None = None, **options: Any
) -> GuestLevel:
    """An enabled guest with Proxmox's default policies: it may send everything and receives nothing."""
    config = LevelConfig({"enable": 1, **options}, rules, ipsets=ipsets or {})
    return GuestLevel(config, (FirewallNic(0, (ADDRESSES[vmid],), MAC),))


def firewall(*rules: dict[str, Any], guests: dict[int, GuestLevel] | None = None, **more: Any) -> Firewall:
    """An enabled firewall whose cluster has these rules."""
    options = {"enable": 1, **more.pop("options", {})}
    cluster = LevelConfig(options, rules, more.pop("aliases", {}), more.pop("ipsets", {}))
    nodes = {"pve": more.pop("node", LevelConfig())}
    return Firewall(cluster, "10.0.0.0/24", nodes=nodes, guests=guests or {}, **more)


def packet(sender: PacketEnd, receiver: PacketEnd, proto: str = "tcp", dport: int = 80, **more: Any) -> Packet:
    """A packet between two ends; their addresses are those of `ADDRESSES` unless given."""
    ends = (("source", sender), ("dest", receiver))
    source, dest = (address_to_int(more.pop(key, ADDRESSES[end])) for key, end in ends)
    return Packet(sender, receiver, source, dest, proto, dport, **more)


def action(config: Firewall, one: Packet) -> str:
    """The action of the model on a packet."""
    return evaluate(Chains(config), one).action


def on_nftables(config: Firewall) -> Firewall:
    """The same configuration with the nftables backend."""
    return replace(config, backend="nftables")
