"""Programs on the node that hold an address and port at which Phoenix listens. Pure.

Listeners are compared by address: systemd-resolved at 127.0.0.53, or a resolver at another address, are no problem.
Source: ss(8); socket(7) and ipv6(7): a wildcard address conflicts with every address, `[::]` only with IPv6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from phoenix.conventions import DNS_PORT, NFS_PORT, dns_unit
from phoenix.derive.names import VIEWS
from phoenix.estate import Estate, Hypervisor

LISTENER_LINE = re.compile(
    r"^listener (\w+)\s+\S+\s+\d+\s+\d+\s+(\S+):(\d+)\s+\S+(?:\s+users:\(\((.*)\)\))?", re.MULTILINE
)
PROGRAM = re.compile(r'"([^"]*)",pid=(\d+)')
UNIT_LINE = re.compile(r"^unit (\d+) (\S+)$", re.MULTILINE)
WILDCARDS = ("0.0.0.0", "*")  # noqa: S104  # as ss prints them
NFS_UNIT = "nfs-server.service"
"""Debian's unit of the kernel's NFS server, which itself has no program."""


@dataclass(frozen=True)
class NeededPort:
    """A port at which Phoenix listens on a node, and on which addresses: by its `units`, or by the kernel itself."""

    port: int
    addresses: tuple[IPv4Address, ...]
    purpose: str
    units: tuple[str, ...]
    is_kernel: bool = False


@dataclass(frozen=True)
class Listener:
    """A program that listens; `program`, `pid` and `unit` are empty for the kernel, and where they are not known."""

    protocol: str
    address: str
    port: int
    program: str = ""
    pid: str = ""
    unit: str = ""

    @property
    def ip(self) -> str:
        """The address without the device that the listener is bound to."""
        return self.address.partition("%")[0]


def needed_ports(estate: Estate, hypervisor: Hypervisor) -> tuple[NeededPort, ...]:
    """Derive the ports at which Phoenix listens on a node: both DNS views, and NFS if there are exports."""
    names = NeededPort(
        DNS_PORT, (hypervisor.address, hypervisor.guest_resolver), "serves names", tuple(map(dns_unit, VIEWS))
    )
    exports = any(guest.persistent_storage for guest in estate.guests if guest.hypervisor == hypervisor.name)
    storage = NeededPort(NFS_PORT, (hypervisor.address,), "exports storage", (NFS_UNIT,), is_kernel=True)
    return (names, storage) if exports else (names,)


def read_listeners(text: str) -> tuple[Listener, ...]:
    """Read the output of `hosts/listeners.sh`."""
    units = {match[1]: match[2] for match in UNIT_LINE.finditer(text) if match[2] != "-"}
    return tuple(listener for match in LISTENER_LINE.finditer(text) for listener in _read(match, units))


def listener_problems(where: str, needed: Iterable[NeededPort], listeners: Iterable[Listener]) -> Iterator[str]:
    """Name each program that holds a needed port, once per address."""
    held = tuple(listeners)
    for need in needed:
        protocols: dict[Listener, list[str]] = {}
        for one in held:
            if one.port == need.port and _is_foreign(one, need) and _overlaps(one, need):
                key = Listener("", one.address, one.port, one.program, one.pid, one.unit)
                protocols.setdefault(key, []).append(one.protocol)
        for one, used in protocols.items():
            yield _problem(where, need, one, sorted(set(used)))


def _read(match: re.Match[str], units: dict[str, str]) -> Iterator[Listener]:
    protocol, address, port = match[1], match[2].strip("[]"), int(match[3])
    programs = dict.fromkeys((one[1], one[2]) for one in PROGRAM.finditer(match[4] or "")) or {("", ""): None}
    for program, pid in programs:
        yield Listener(protocol, address, port, program, pid, units.get(pid, ""))


def _is_foreign(listener: Listener, need: NeededPort) -> bool:
    return listener.unit not in need.units and not (need.is_kernel and not listener.pid)


def _overlaps(listener: Listener, need: NeededPort) -> bool:
    return listener.ip in WILDCARDS or listener.ip in map(str, need.addresses)


def _problem(where: str, need: NeededPort, held: Listener, protocols: list[str]) -> str:
    details = ", ".join(filter(None, (f"pid {held.pid}" if held.pid else "", held.unit)))
    program = f"{held.program or 'a program that ss does not name'}{f' ({details})' if details else ''}"
    stop = f"`systemctl disable --now {held.unit}`" if held.unit.endswith(".service") else "stop it"
    wanted = " and ".join(dict.fromkeys(map(str, need.addresses)))
    return (
        f"{where}: {program} listens on {held.address}:{held.port} ({', '.join(protocols)}), and Phoenix "
        f"{need.purpose} at {wanted}: {stop}, or bind it to other addresses"
    )
