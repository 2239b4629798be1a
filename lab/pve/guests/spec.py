"""Parses a guest's Proxmox configuration (pct.conf(5), qm.conf(5)) into a typed specification. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

CLOUD_USER = "ubuntu"
"""The account of a cloud image if the configuration has no ``ciuser``."""
NIC_MODELS = ("virtio", "e1000", "e1000e", "rtl8139", "vmxnet3")


class SpecError(Exception):
    """The configuration is invalid; no guest can be created from it."""


@dataclass(frozen=True)
class GuestNic:
    """One network interface: ``netN`` (and, for a VM, ``ipconfigN``)."""

    index: int
    name: str
    bridge: str
    mac: str
    address: str | None = None
    gateway: str | None = None
    firewall: bool = False
    connected: bool = True


@dataclass(frozen=True)
class GuestMount:
    """One mount point ``mpN``: a directory of the host, or a volume in the guest's directory."""

    key: str
    source: str
    target: str
    read_only: bool = False
    volume: bool = False


@dataclass(frozen=True)
class GuestSpec:
    """The desired state of a container or VM, as far as the lab implements it."""

    vmid: int
    kind: str
    name: str
    unprivileged: bool
    nesting: bool
    nics: tuple[GuestNic, ...] = ()
    mounts: tuple[GuestMount, ...] = ()
    nameservers: tuple[str, ...] = ()
    searchdomain: str = ""
    cloud_user: str = ""
    ssh_keys: str = ""
    agent: bool = False
    onboot: bool = False

    @property
    def is_vm(self) -> bool:
        """Whether the API presents the guest as a virtual machine."""
        return self.kind == "vm"


def properties(text: object, first: str = "volume") -> dict[str, str]:
    """Parse a Proxmox property string; a first value without a key gets the key ``first``."""
    fields: dict[str, str] = {}
    for number, part in enumerate(str(text).split(",")):
        key, equals, value = part.partition("=")
        if equals:
            fields[key.strip()] = value.strip()
        elif part.strip() and number == 0:
            fields[first] = part.strip()
    return fields


def parse_bool(value: object) -> bool:
    """Parse a boolean in any of Proxmox's notations."""
    return str(value).strip().lower() in ("1", "on", "yes", "true")


def parse(vmid: int, kind: str, config: Mapping[str, object]) -> GuestSpec:
    """Return the specification of a configuration (API key → value); raise SpecError if it is invalid."""
    is_vm = kind == "vm"
    name = config.get("name" if is_vm else "hostname") or f"{'VM' if is_vm else 'CT'}{vmid}"
    return GuestSpec(
        vmid=vmid,
        kind=kind,
        name=str(name),
        unprivileged=not is_vm and parse_bool(config.get("unprivileged", 0)),
        nesting=is_vm or parse_bool(properties(config.get("features", "")).get("nesting", 0)),
        nics=tuple(_nic(int(key[3:]), config, is_vm=is_vm) for key in _numbered(config, "net")),
        mounts=() if is_vm else tuple(_mount(key, config[key]) for key in _numbered(config, "mp")),
        nameservers=tuple(re.split(r"[\s,;]+", str(config.get("nameserver") or "").strip()))
        if config.get("nameserver")
        else (),
        searchdomain=str(config.get("searchdomain") or ""),
        cloud_user=str(config.get("ciuser") or CLOUD_USER) if is_vm else "",
        ssh_keys=unquote(str(config.get("sshkeys") or "")) if is_vm else "",
        agent=parse_bool(_agent_flag(config.get("agent", "0"))),
        onboot=parse_bool(config.get("onboot", 0)),
    )


def _numbered(config: Mapping[str, object], prefix: str) -> list[str]:
    keys = [key for key in config if re.fullmatch(prefix + r"\d+", key)]
    return sorted(keys, key=lambda key: int(key[len(prefix) :]))


def _agent_flag(value: object) -> str:
    parsed = properties(value, first="enabled")
    return parsed.get("enabled", "0")


def _nic(index: int, config: Mapping[str, object], *, is_vm: bool) -> GuestNic:
    net = properties(config[f"net{index}"])
    if not net.get("bridge"):
        raise SpecError(f"net{index}: no bridge set; the lab connects every interface to a bridge")
    model = next((net[m] for m in NIC_MODELS if m in net), "")
    ip = properties(config.get(f"ipconfig{index}", "")) if is_vm else net
    address = ip.get("ip", "")
    return GuestNic(
        index=index,
        name=f"eth{index}" if is_vm else net.get("name", f"eth{index}"),
        bridge=net["bridge"],
        mac=(net.get("hwaddr") or net.get("macaddr") or model).upper(),
        address=address if "/" in address else None,
        gateway=ip.get("gw"),
        firewall=parse_bool(net.get("firewall", 0)),
        connected=not parse_bool(net.get("link_down", 0)),
    )


def _mount(key: str, value: object) -> GuestMount:
    fields = properties(value)
    source, target = fields.get("volume", ""), fields.get("mp", "")
    if not target.startswith("/") or ".." in target.split("/"):
        raise SpecError(f"{key}: mount point path '{target}' must be absolute and without '..'")
    is_volume = not source.startswith("/")
    path = f"volumes/{key}" if is_volume else source
    return GuestMount(key, path, target, parse_bool(fields.get("ro", 0)), is_volume)
