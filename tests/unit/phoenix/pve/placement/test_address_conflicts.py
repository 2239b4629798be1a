"""Every MAC and IP address of the inventory is compared with those of all guests of the cluster."""

from __future__ import annotations

import pytest

from phoenix.derive.guests import mac_of
from phoenix.estate import Estate
from phoenix.pve.placement.address_conflicts import address_conflicts
from phoenix.pve.placement.configured_guests import read_configured_guests
from tests.support.estates import estate, guest

WIKI = guest("wiki", 60)
MAC = "52:54:00:00:00:01"
SMALL = estate(WIKI, guest("fixed", 61, mac=MAC.lower()))
ALL = frozenset(host.name for host in SMALL.hosts())
OWN = (
    "guest node/lxc/160.conf\nhostname: wiki\n"
    f"net0: name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr={mac_of(160)},ip=10.0.0.60/24,type=veth\n"
)


def container(vmid: int, address: str, mac: str = "AA:AA:AA:AA:AA:AA", node: str = "node", more: str = "") -> str:
    """A container's settings."""
    net = f"net0: name=eth0,bridge=vmbr0,hwaddr={mac},ip={address},type=veth"
    return f"guest {node}/lxc/{vmid}.conf\nhostname: old\n{net}\n{more}"


def machine(vmid: int, address: str, mac: str = "AA:AA:AA:AA:AA:AA") -> str:
    """A virtual machine's settings; its second interface has the address."""
    nets = f"net0: virtio=BB:BB:BB:BB:BB:BB,bridge=vmbr0\nnet1: virtio={mac},bridge=vmbr0\n"
    return f"guest node/qemu-server/{vmid}.conf\nname: db\n{nets}ipconfig0: ip=dhcp,ip6=auto\nipconfig1: ip={address}\n"


def conflicts(
    text: str, made: Estate = SMALL, targets: frozenset[str] = ALL, existing: tuple[int, ...] = ()
) -> list[str]:
    """The conflicts with these guests."""
    configured = read_configured_guests(text)
    return list(map(str, address_conflicts(made, made.hypervisors[0], configured, targets, frozenset(existing))))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ()),
        (OWN, ()),
        (container(917, "dhcp"), ()),
        (container(917, "10.0.0.99/24"), ()),
        (container(917, "10.0.0.60/24", more="template: 1\n"), ()),
        (
            container(917, "10.0.0.60/24"),
            (
                (
                    "10.0.0.60 (wiki) is the address of guest 917 old on node: give wiki another one, or change or "
                    "remove that guest (`pct config 917` shows it)"
                ),
            ),
        ),
        (OWN + machine(917, "10.0.0.60/16"), ("10.0.0.60 (wiki) is the address of guest 917 db on node",)),
        (container(917, "10.0.0.60/24", node="far"), ("guest 917 old on far",)),
        (container(917, "dhcp", MAC), (f"{MAC} (fixed) is the MAC address of guest 917 old on node",)),
        (container(917, "dhcp", mac_of(160)), (f"{mac_of(160)} (wiki) is the MAC address of guest 917",)),
        (container(917, "10.0.0.2/24"), ("10.0.0.2 (`hostname` of pve) is the address of guest 917",)),
        (container(917, "10.0.0.3/24"), ("10.0.0.3 (`guest_resolver` of pve) is the address of guest 917",)),
        (container(917, "10.0.0.60/24", MAC), (f"{MAC} (fixed)", "10.0.0.60 (wiki)")),
    ],
)
def test_conflicts(text: str, says: tuple[str, ...]) -> None:
    """Each address that another guest has is named with its holder; a guest does not conflict with itself."""
    found = conflicts(text)
    assert len(found) == len(says)
    assert [words for words in says if not any(words in one for one in found)] == []


def test_changed_vmid() -> None:
    """A guest that got another vmid in the inventory conflicts with the old one, which still exists."""
    old = OWN.replace("160", "917")
    assert [one.split(" (")[0] for one in conflicts(old)] == [mac_of(160), "10.0.0.60"]


def test_targets() -> None:
    """The addresses of guests that the run does not concern are not judged."""
    assert conflicts(container(917, "10.0.0.60/24"), targets=frozenset({"fixed"})) == []


def test_existing_guests_keep_their_mac() -> None:
    """An existing guest without a declared MAC address keeps its own, so that the derived one is not compared."""
    assert conflicts(container(917, "dhcp", mac_of(160)), existing=(160,)) == []


def test_exchanged_addresses() -> None:
    """A guest that this run moves to another address does not keep its present one; another guest's may stay."""
    moving = container(161, "10.0.0.60/24")
    assert conflicts(moving) == []
    assert len(conflicts(moving, targets=frozenset({"wiki"}))) == 1
