"""The shells through which attempts are made and observed: a node has one for itself and all of its containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from phoenix.connections.shell import Shell
from phoenix.estate import Estate, Guest, Hypervisor

Shells = Callable[[str], Shell]
PlacesByCarrier = Mapping[str, Mapping[str, str]]
"""By the host with the shell: each host that it serves, with its vmid if that is a container, else empty."""


def carriers(estate: Estate, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Group hosts by the host whose shell reaches their network."""
    grouped: dict[str, dict[str, str]] = {}
    for name in names:
        host = estate.host(name)
        is_container = isinstance(host, Guest) and host.kind == "lxc"
        carrier = host.hypervisor if isinstance(host, Guest) and is_container else name
        grouped.setdefault(carrier, {})[name] = str(host.vmid) if isinstance(host, Guest) and is_container else ""
    return grouped


def is_node(estate: Estate, name: str) -> bool:
    """Tell whether a host is a hypervisor."""
    return isinstance(estate.host(name), Hypervisor)
