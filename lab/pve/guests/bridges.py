"""The devices between a filtered interface and its network: fwbr, fwln and fwpr, in the layout of Proxmox."""

from pathlib import Path

from phoenix.lab.pve.command import CommandError, run
from phoenix.lab.pve.guests.lxc_config import firewall_bridge, veth_name
from phoenix.lab.pve.guests.spec import GuestNic, GuestSpec

_NET = Path("/sys/class/net")


def exists(device: str) -> bool:
    """Whether a network device of this name exists."""
    return (_NET / device).exists()


def prepare(spec: GuestSpec) -> None:
    """Create the firewall bridges that a start needs and remove those that it does not."""
    for nic in spec.nics:
        if not exists(nic.bridge):
            raise CommandError(f"bridge '{nic.bridge}' of net{nic.index} does not exist")
        if nic.firewall:
            add(spec.vmid, nic)
        else:
            remove(spec.vmid, nic.index)


def add(vmid: int, nic: GuestNic) -> None:
    """Create the firewall bridge of an interface and connect it to the network's bridge."""
    own, inner, outer = firewall_bridge(vmid, nic), f"fwln{vmid}i{nic.index}", f"fwpr{vmid}p{nic.index}"
    steps = []
    if not exists(own):
        # ARP and IPv6 are off: the host must not answer for its own addresses here, before the filter.
        steps += [f"link add {own} type bridge forward_delay 0", f"link set {own} addrgenmode none"]
        steps += [f"link set {own} arp off up"]
    if not exists(outer):
        steps += [f"link add {outer} type veth peer name {inner}"]
        steps += [f"link set {end} addrgenmode none" for end in (inner, outer)]
        steps += [f"link set {inner} master {own}", f"link set {inner} up", f"link set {outer} up"]
    batch([*steps, f"link set {outer} master {nic.bridge}"])


def pin_address(bridge: str) -> None:
    """Fix a bridge's MAC address: it would otherwise change with its ports, and neighbors would keep the old one."""
    run("ip", "link", "set", bridge, "address", (_NET / bridge / "address").read_text().strip(), limit=10)


def remove(vmid: int, index: int) -> None:
    """Remove the firewall bridge of an interface if it exists."""
    present = [name for name in (f"fwpr{vmid}p{index}", f"fwbr{vmid}i{index}") if exists(name)]
    if present:
        batch([f"link del {name}" for name in present])


def remove_all(vmid: int) -> None:
    """Remove all firewall bridges of a guest."""
    for path in list(_NET.glob(f"fwbr{vmid}i*")) + list(_NET.glob(f"fwpr{vmid}p*")):
        remove(vmid, int(path.name.rpartition("i" if path.name.startswith("fwbr") else "p")[2]))


def rewire(spec: GuestSpec, nic: GuestNic, pid: int) -> None:
    """Apply an interface's bridge, filter, MAC address, addresses and link state to a running guest."""
    if nic.firewall:
        add(spec.vmid, nic)
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
    """Run ``ip`` commands in one batch, optionally through a program that enters a namespace first."""
    if steps:
        run(*inside, "ip", "-batch", "-", feed=("\n".join(steps) + "\n").encode(), limit=20)
