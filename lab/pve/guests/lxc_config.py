"""Renders a guest's LXC configuration (lxc.container.conf(5)). Pure."""

from collections.abc import Sequence
from pathlib import Path

from phoenix.lab.pve.guests.spec import GuestNic, GuestSpec

SHIFT = 100_000
"""The first host id of an unprivileged guest's ids."""
INCLUDES = "/usr/share/lxc/config"


def veth_name(vmid: int, nic: GuestNic) -> str:
    """Return the name of an interface's host end, in Proxmox's scheme."""
    return f"veth{vmid}i{nic.index}"


def firewall_bridge(vmid: int, nic: GuestNic) -> str:
    """Return the name of a filtered interface's own bridge, in Proxmox's scheme."""
    return f"fwbr{vmid}i{nic.index}"


def render(spec: GuestSpec, home: Path, shares: Sequence[str] = ()) -> str:
    """Return the text of ``/var/lib/lxc/<vmid>/config``; ``shares`` are the exports that a VM may mount by NFS."""
    lines = [f"lxc.include = {INCLUDES}/common.conf"]
    if spec.nesting:
        lines.append(f"lxc.include = {INCLUDES}/nesting.conf")
    if spec.unprivileged:
        lines += _shifted()
    lines += [
        f"lxc.uts.name = {spec.name}",
        f"lxc.rootfs.path = dir:{home}/merged",
        "lxc.apparmor.profile = unconfined",
        "lxc.signal.halt = SIGRTMIN+3",
        "lxc.init.cmd = /sbin/init",
    ]
    lines += _machine(home, shares) if spec.is_vm else ["lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed"]
    lines += _network(spec)
    for mount in spec.mounts:
        source = home / mount.source if mount.volume else mount.source
        lines.append(_bind(str(source), mount.target, read_only=mount.read_only))
    return "\n".join(lines) + "\n"


def _shifted() -> list[str]:
    ids = [f"lxc.idmap = {which} 0 {SHIFT} 65536" for which in ("u", "g")]
    return [f"lxc.include = {INCLUDES}/userns.conf", *ids]


def _machine(home: Path, shares: Sequence[str]) -> list[str]:
    """Return a VM's additional settings: all capabilities and devices, and Docker's data on a real file system."""
    return [
        "lxc.mount.auto =",
        "lxc.mount.auto = proc:rw sys:rw cgroup:rw:force",
        "lxc.cap.drop =",
        "lxc.cgroup.devices.allow = a",
        "lxc.cgroup2.devices.allow = a",
        _bind(f"{home}/docker", "/var/lib/docker"),
        # systemd keeps a /run that is already mounted, and with it the bind mounts below.
        "lxc.mount.entry = tmpfs run tmpfs rw,nosuid,nodev,mode=755,create=dir 0 0",
        *(_bind(path, f"/run/lab-nfs{path}") for path in shares),
    ]


def _network(spec: GuestSpec) -> list[str]:
    if not spec.nics:
        return ["lxc.net.0.type = empty"]
    return [line for nic in spec.nics for line in _interface(spec.vmid, nic)]


def _interface(vmid: int, nic: GuestNic) -> list[str]:
    settings = {
        "type": "veth",
        "link": firewall_bridge(vmid, nic) if nic.firewall else nic.bridge,
        "name": nic.name,
        "flags": "up" if nic.connected else "",
        "veth.pair": veth_name(vmid, nic),
        "hwaddr": nic.mac,
        "ipv4.address": nic.address,
        "ipv4.gateway": nic.gateway if nic.address else None,
    }
    return [f"lxc.net.{nic.index}.{key} = {value}" for key, value in settings.items() if value]


def _bind(source: str, target: str, *, read_only: bool = False) -> str:
    options = "bind,ro,create=dir" if read_only else "bind,create=dir"
    return f"lxc.mount.entry = {_quoted(source)} {_quoted(target.lstrip('/'))} none {options} 0 0"


def _quoted(path: str) -> str:
    return path.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")
