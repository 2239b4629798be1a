"""The MAC and IP addresses of every guest of a node's cluster, compared with those of the inventory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from phoenix.derive.guests import mac_of
from phoenix.estate import Estate, Hypervisor
from phoenix.pve.placement.configured_guests import ConfiguredGuest

TOOLS = {"lxc": "pct", "vm": "qm"}


@dataclass(frozen=True)
class AddressConflict:
    """A MAC or IP address of the inventory that another guest has; `owner` is what the inventory gives it to."""

    value: str
    owner: str
    holder: ConfiguredGuest

    def __str__(self) -> str:
        word = "MAC address" if ":" in self.value else "address"
        return (
            f"{self.value} ({self.owner}) is the {word} of {self.holder}: give {self.owner} another one, or change or "
            f"remove that guest (`{TOOLS[self.holder.kind]} config {self.holder.vmid}` shows it)"
        )


def address_conflicts(
    estate: Estate,
    hypervisor: Hypervisor,
    configured: Iterable[ConfiguredGuest],
    targets: frozenset[str],
    existing: frozenset[int],
) -> Iterator[AddressConflict]:
    """Find the addresses of targeted guests, and of the node, that other guests of its cluster have.

    `existing` are the vmids on the node: where the inventory names no MAC address, such a guest keeps its own. A
    targeted guest that has the address of another one only until this run gives it its own is no conflict.
    """
    guests = [guest for guest in configured if not guest.is_template]
    nodes = {guest.node for guest in guests} | {hypervisor.node}
    moving = {g.vmid: g.address for g in estate.guests if g.name in targets}
    for guest in estate.guests:
        is_here = guest.hypervisor == hypervisor.name
        if guest.name not in targets or (not is_here and estate.hypervisor_of(guest).node in nodes):
            continue
        mac = guest.mac or ("" if guest.vmid in existing else mac_of(guest.vmid))
        for holder in guests:
            if is_here and holder.vmid == guest.vmid:
                continue
            if mac.upper() in holder.macs:
                yield AddressConflict(mac.upper(), guest.name, holder)
            if guest.address in holder.addresses and moving.get(holder.vmid, guest.address) == guest.address:
                yield AddressConflict(str(guest.address), guest.name, holder)
    for address, key in ((hypervisor.address, "hostname"), (hypervisor.guest_resolver, "guest_resolver")):
        for holder in guests:
            if address in holder.addresses:
                yield AddressConflict(str(address), f"`{key}` of {hypervisor.name}", holder)
