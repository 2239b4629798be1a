"""The bridges between a filtered interface and its network: fwbr, fwln and fwpr, as Proxmox lays them."""

from pathlib import Path

from phoenix.lab.pve.command import CommandFailed, run
from phoenix.lab.pve.guests.lxc_config import firewall_bridge, veth_name
from phoenix.lab.pve.guests.spec import GuestNic, GuestSpec

_NET = Path("/sys/class/net")


def exists(device: str) -> bool:
    """Whether a network device of this name is there."""
    return (_NET / device).exists()


def prepare(spec: GuestSpec) -> None:
    """Lay what a start needs, and take away what an earlier start left."""
    for nic in spec.nics:
        if not exists(nic.bridge):
            raise CommandFailed(f"bridge '{nic.bridge}' of net{nic.index} does not exist")
        if nic.firewall:
            lay(spec.vmid, nic)
        else:
            remove(spec.vmid, nic.index)


def lay(vmid: int, nic: GuestNic) -> None:
    """Make the firewall bridge of an interface and join it to the network's bridge."""
    own, inner, outer = firewall_bridge(vmid, nic), f"fwln{vmid}i{nic.index}", f"fwpr{vmid}p{nic.index}"
    steps = []
    if not exists(own):
        # Without ARP and IPv6 of its own: the host must not answer here for its addresses, ahead of the filter.
        steps += [f"link add {own} type bridge forward_delay 0", f"link set {own} addrgenmode none"]
        steps += [f"link set {own} arp off up"]
    if not exists(outer):
        steps += [f"link add {outer} type veth peer name {inner}"]
        steps += [f"link set {end} addrgenmode none" for end in (inner, outer)]
        steps += [f"link set {inner} master {own}", f"link set {inner} up", f"link set {outer} up"]
    batch([*steps, f"link set {outer} master {nic.bridge}"])


def pin_address(bridge: str) -> None:
    """Keep a bridge's hardware address: it would change with its ports, and leave neighbours with a stale one."""
    run("ip", "link", "set", bridge, "address", (_NET / bridge / "address").read_text().strip(), limit=10)


def remove(vmid: int, index: int) -> None:
    """Take the firewall bridge of an interface away, if there is one."""
    present = [name for name in (f"fwpr{vmid}p{index}", f"fwbr{vmid}i{index}") if exists(name)]
    if present:
        batch([f"link del {name}" for name in present])


def remove_all(vmid: int) -> None:
    """Take away every firewall bridge of a guest."""
    for path in list(_NET.glob(f"fwbr{vmid}i*")) + list(_NET.glob(f"fwpr{vmid}p*")):
        remove(vmid, int(path.name.rpartition("i" if path.name.startswith("fwbr") else "p")[2]))


def rewire(spec: GuestSpec, nic: GuestNic, pid: int) -> None:
    """Apply an interface's settings to a running guest: bridge, filter, address, name server aside."""
    if nic.firewall:
        lay(spec.vmid, nic)
    link = firewall_bridge(spec.vmid, nic) if nic.firewall else nic.bridge
    batch([f"link set {veth_name(spec.vmid, nic)} master {link}"])
    if not nic.firewall:
        remove(spec.vmid, nic.index)
    steps = [f"link set {nic.name} address {nic.mac}"] if nic.mac else []
    steps += [f"addr flush dev {nic.name} scope global"]
    steps += [f"link set {nic.name} {'up' if nic.connected else 'down'}"]
    if nic.address:
        steps += [f"addr add {nic.address} dev {nic.name}"]
        steps += [f"route replace default via {nic.gateway}"] if nic.gateway else []
    batch(steps, "nsenter", "-t", str(pid), "-n")


def batch(steps: list[str], *inside: str) -> None:
    """Run ``ip`` commands in one go, optionally through a program that enters a namespace first."""
    if steps:
        run(*inside, "ip", "-batch", "-", feed=("\n".join(steps) + "\n").encode(), limit=20)
