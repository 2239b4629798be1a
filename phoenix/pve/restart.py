"""Which options of a running guest take effect only after a restart. Pure.

Source: pve-container, PVE/LXC/Config.pm, `vmconfig_hotplug_pending`; qemu-server, PVE/QemuServer.pm, the same, with the
default `hotplug: network,disk,usb`. Options of cloud-init change at once and are read at the next start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from phoenix.pve.guest_config import GuestConfig
from phoenix.pve.guests import GuestKind
from phoenix.pve.properties import parse

AT_START: Mapping[GuestKind, frozenset[str]] = {
    "lxc": frozenset({"nameserver", "searchdomain", "hostname"}),
    "vm": frozenset(
        {"memory", "cores", "name", "ciuser", "sshkeys", "nameserver", "searchdomain", "ipconfig0", "agent"}
    ),
}
"""A changed host name is in the configuration at once, and in the guest after a restart."""


FORGOTTEN: Mapping[GuestKind, frozenset[str]] = {
    "lxc": frozenset({"hostname"}),
    "vm": frozenset({"name", "ciuser", "sshkeys", "nameserver", "searchdomain", "ipconfig0"}),
}
"""Options that need a restart and are in the configuration at once, so that the API does not list them as pending."""


def is_forgotten(kind: GuestKind, sent: Iterable[str]) -> bool:
    """Report whether the need for a restart is lost once the options were sent."""
    return bool(FORGOTTEN[kind] & set(sent))


def waiting_after(
    kind: GuestKind, sent: Mapping[str, str | None], config: GuestConfig, mounts: Iterable[str]
) -> tuple[str, ...]:
    """The options that wait for a restart once `sent` was sent, those that waited before included."""
    changed = {key for key in sent if _is_read_at_start(kind, key, sent[key], config.running.get(key))}
    before = {key for key in config.waiting if key not in sent}
    return tuple(sorted({*changed, *before, *mounts}))


def _is_read_at_start(kind: GuestKind, key: str, value: str | None, running: str | None) -> bool:
    if value == running:
        return False
    if kind == "vm" and key == "net0":
        return bool(running) and parse(value or "").get("hwaddr") != parse(running or "").get("hwaddr")
    return key in AT_START[kind]
