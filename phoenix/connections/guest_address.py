"""Where a virtual machine is now, if it is not at its declared address: its configuration and its agent say so.

Source: Proxmox VE API, GET …/qemu/{vmid}/config and …/agent/network-get-interfaces. A guest's claim is not trusted to
name another host of the estate: such addresses are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from phoenix.connections.proxmox import ApiError, ProxmoxClient
from phoenix.estate import Estate, Guest

MAX_ADDRESSES = 8


def current_addresses(api: ProxmoxClient, estate: Estate, guest: Guest) -> tuple[IPv4Address, ...]:
    """List the addresses other than the declared one at which the machine may answer; ApiError if none can be read."""
    base = f"nodes/{estate.hypervisor_of(guest).node}/qemu/{guest.vmid}"
    found = [*_configured(api.get(f"{base}/config", current=1)), *_reported(api, base)]
    nodes = (address for node in estate.hypervisors for address in (node.guest_resolver, *node.also))
    taken = {*(host.address for host in estate.live()), *nodes, estate.settings.network.gateway}
    return tuple(dict.fromkeys(address for address in found if address not in taken))[:MAX_ADDRESSES]


def _configured(config: Mapping[str, Any]) -> Iterator[IPv4Address]:
    parts = str(config.get("ipconfig0", "")).split(",")
    yield from _addresses(part.removeprefix("ip=") for part in parts if part.startswith("ip="))


def _reported(api: ProxmoxClient, base: str) -> Iterator[IPv4Address]:
    try:
        answer = api.get(f"{base}/agent/network-get-interfaces")
    except ApiError:
        return
    yield from _addresses(
        str(entry.get("ip-address", ""))
        for interface in _objects(answer, "result")
        for entry in _objects(interface, "ip-addresses")
        if entry.get("ip-address-type") == "ipv4"
    )


def _objects(answer: object, key: str) -> Iterator[Mapping[str, Any]]:
    """The objects in a list of the agent's answer, which may be anything."""
    listed = answer.get(key) if isinstance(answer, Mapping) else None
    yield from (one for one in (listed if isinstance(listed, list) else []) if isinstance(one, Mapping))


def _addresses(texts: Iterator[str]) -> Iterator[IPv4Address]:
    for text in texts:
        try:
            address = IPv4Interface(text).ip
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local):
            yield address
