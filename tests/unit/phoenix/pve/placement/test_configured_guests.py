"""Guests are read from the lines that a node prints of their configuration files."""

from __future__ import annotations

from ipaddress import IPv4Address

from phoenix.pve.placement.configured_guests import read_configured_guests

CONTAINER = """guest node/lxc/917.conf
#<!-- phoenix owner=phoenix-id-1 -->
hostname: old
rootfs: pool:vm-917-disk-0,size=8G
net0: name=eth0,bridge=vmbr0,hwaddr=aa:aa:aa:aa:aa:aa,ip=10.0.0.60/24,type=veth
"""
MACHINE = """guest far/qemu-server/1001.conf
name: db
template: 1
net0: virtio=BB:BB:BB:BB:BB:BB,bridge=vmbr0
net1: virtio=AA:AA:AA:AA:AA:AA,bridge=vmbr0
ipconfig0: ip=dhcp,ip6=auto
ipconfig1: ip=10.0.0.7/24
"""


def test_read() -> None:
    """Names, owners, options, MAC addresses and addresses of both kinds of guests are read; `dhcp` is no address."""
    container, machine = read_configured_guests(CONTAINER + MACHINE)
    assert (str(container), container.kind, container.owner) == ("guest 917 old on node", "lxc", "phoenix-id-1")
    assert (container.macs, container.addresses) == ({"AA:AA:AA:AA:AA:AA"}, {IPv4Address("10.0.0.60")})
    assert container.options["rootfs"] == "pool:vm-917-disk-0,size=8G"
    assert (str(machine), machine.kind, machine.owner) == ("guest 1001 db on far", "vm", "")
    assert (machine.is_template, machine.addresses) == (True, {IPv4Address("10.0.0.7")})
    assert machine.macs == {"AA:AA:AA:AA:AA:AA", "BB:BB:BB:BB:BB:BB"}


def test_files_of_others() -> None:
    """A file in a directory that is not one of guests is no guest."""
    assert read_configured_guests("guest node/other/1.conf\n") == ()
