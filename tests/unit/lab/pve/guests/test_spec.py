"""A guest's Proxmox configuration is parsed into a specification and rendered as LXC configuration."""

from pathlib import Path
from typing import Any

import pytest

from phoenix.lab.pve.guests import lxc_config, nfs_exports
from phoenix.lab.pve.guests.rootfs import hosts_file, resolver_file
from phoenix.lab.pve.guests.spec import GuestMount, GuestNic, GuestSpec, SpecError, parse

NET = "name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=52:54:00:AA:BB:CA,ip=10.0.0.10/24,type=veth"
CT = {"hostname": "step-ca", "unprivileged": 1, "features": "nesting=1", "net0": NET}
VM = {
    "name": "Portainer",
    "net0": "virtio=52:54:00:00:01:01,bridge=vmbr0",
    "ipconfig0": "ip=10.0.0.111/24,gw=10.0.0.1",
    "agent": "enabled=1,fstrim=1",
    "ciuser": "me",
    "sshkeys": "ssh-ed25519%20AAAA%2B%20a%40b%0A",
    "nameserver": "10.0.0.13 10.0.0.1",
}


def test_container() -> None:
    """A container's configuration is parsed into a typed specification."""
    spec = parse(103, "lxc", {**CT, "mp0": "/host/ssl,mp=/etc/ssl,ro=1", "mp1": "store:subvol-1,mp=/data,size=1G"})
    nic = GuestNic(0, "eth0", "vmbr0", "52:54:00:AA:BB:CA", "10.0.0.10/24", "10.0.0.1", firewall=True)
    mounts = (
        GuestMount("mp0", "/host/ssl", "/etc/ssl", read_only=True),
        GuestMount("mp1", "volumes/mp1", "/data", volume=True),
    )
    assert spec == GuestSpec(103, "lxc", "step-ca", unprivileged=True, nesting=True, nics=(nic,), mounts=mounts)


def test_machine() -> None:
    """A VM's cloud-init settings are parsed: address, account, decoded key, servers."""
    spec = parse(1001, "vm", VM)
    assert (spec.name, spec.cloud_user, spec.ssh_keys) == ("Portainer", "me", "ssh-ed25519 AAAA+ a@b\n")
    assert spec.nics == (GuestNic(0, "eth0", "vmbr0", "52:54:00:00:01:01", "10.0.0.111/24", "10.0.0.1"),)
    assert spec.nameservers == ("10.0.0.13", "10.0.0.1")
    assert spec.agent
    assert not spec.unprivileged


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"net0": "name=eth0,ip=10.0.0.1/24"}, "no bridge"),
        ({"mp0": "/x,mp=relative"}, "must be absolute"),
        ({"mp0": "/x,mp=/a/../b"}, "must be absolute"),
    ],
)
def test_invalid_configuration_is_refused(config: dict[str, Any], message: str) -> None:
    """An interface without a bridge and a relative or dotted mount point are errors with that reason."""
    with pytest.raises(SpecError, match=message):
        parse(1, "lxc", config)


def test_lxc_configuration_of_a_container() -> None:
    """An unprivileged container gets shifted ids, its own firewall bridge, Proxmox's interface name and its mounts."""
    text = lxc_config.render(parse(103, "lxc", {**CT, "mp0": "/host/my ssl,mp=/etc/ssl,ro=1"}), Path("/ct/103"))
    lines = text.splitlines()
    for wanted in (
        "lxc.idmap = u 0 100000 65536",
        "lxc.net.0.link = fwbr103i0",
        "lxc.net.0.veth.pair = veth103i0",
        "lxc.net.0.hwaddr = 52:54:00:AA:BB:CA",
        "lxc.mount.entry = /host/my\\040ssl etc/ssl none bind,ro,create=dir 0 0",
    ):
        assert wanted in lines
    assert "lxc.cap.drop =" not in lines


def test_lxc_configuration_of_a_machine() -> None:
    """A VM gets all capabilities, Docker's directory on a real file system, and its NFS exports."""
    lines = lxc_config.render(parse(1001, "vm", VM), Path("/ct/1001"), ["/srv/data"]).splitlines()
    assert "lxc.cap.drop =" in lines
    assert "lxc.net.0.link = vmbr0" in lines
    assert "lxc.mount.entry = /ct/1001/docker var/lib/docker none bind,create=dir 0 0" in lines
    assert "lxc.mount.entry = /srv/data run/lab-nfs/srv/data none bind,create=dir 0 0" in lines
    assert not any("idmap" in line for line in lines)


def test_hosts_keeps_other_lines() -> None:
    """Only Proxmox's block of /etc/hosts changes."""
    spec = parse(103, "lxc", {**CT, "searchdomain": "x.y"})
    once = hosts_file(spec, "127.0.0.1 localhost\n10.9.9.9 mine\n")
    assert "10.9.9.9 mine\n" in once
    assert "10.0.0.10 step-ca.x.y step-ca\n" in once
    assert hosts_file(spec, once) == once


def test_resolver_falls_back_to_the_host() -> None:
    """A guest without a nameserver gets the hypervisor's resolver."""
    assert resolver_file(parse(1, "lxc", {}), "nameserver 9.9.9.9\n") == "nameserver 9.9.9.9\n"
    assert "nameserver 10.0.0.13\nnameserver 10.0.0.1\n" in resolver_file(parse(1, "vm", VM), "")


@pytest.mark.parametrize(
    ("line", "mounted"),
    [
        ("/tmp 10.0.0.111 rw", True),
        ("/tmp 10.0.0.0/24 rw", True),
        ("/tmp * ro", True),
        ("/tmp 10.0.0.112 rw", False),
        ("/tmp some.host rw", False),
        ("/no/such 10.0.0.111 rw", False),
    ],
)
def test_exports_of_a_vm(line: str, mounted: bool) -> None:  # noqa: FBT001 - a column of the table
    """A VM gets the existing directories that are exported to its address."""
    assert nfs_exports.shares(nfs_exports.parse(line), parse(1001, "vm", VM)) == (("/tmp",) if mounted else ())
