"""Property strings as sent and as Proxmox returns them have the same meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.pve.properties import (
    format_properties,
    is_property_string,
    parse,
    property_differences,
    with_own_address,
    without_address,
)

NET = "name=eth0,bridge=vmbr0,firewall=1,type=veth,ip=10.0.0.10/24,gw=10.0.0.1"
BACK = "name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=BC:24:11:0A:0B:0C,ip=10.0.0.10/24,type=veth"


@pytest.mark.parametrize(
    ("key", "wanted", "observed", "differing"),
    [
        ("net0", NET, BACK, []),
        ("net0", f"{NET},hwaddr=52:54:00:aa:bb:ca", BACK, ["hwaddr"]),
        ("net0", f"{NET},hwaddr=bc:24:11:0a:0b:0c", BACK, []),
        ("net0", NET, BACK.replace("firewall=1,", ""), ["firewall"]),
        ("net0", NET, BACK.replace("10.0.0.1,", "10.0.0.254,"), ["gw"]),
        ("net0", NET, f"{BACK},link_down=1", ["link_down"]),
        ("net0", NET, f"{BACK},link_down=0", []),
        ("net0", NET, f"{BACK},tag=20,trunks=5;7", ["tag", "trunks"]),
        ("net0", NET, f"{BACK},ip6=dhcp", ["ip6"]),
        ("net0", NET, f"{BACK},mtu=1400,rate=3", ["mtu", "rate"]),
        ("net0", NET, f"{BACK},unheard=of", ["unheard"]),
        ("net0", "model=virtio,bridge=vmbr0", "virtio=BC:24:11:00:00:01,bridge=vmbr0", []),
        ("net0", "model=virtio,bridge=vmbr0", "virtio=BC:24:11:00:00:01,bridge=vmbr0,queues=4", ["queues"]),
        ("net0", "virtio=52:54:00:aa:bb:cb,bridge=vmbr0", "virtio=52:54:00:AA:BB:CB,bridge=vmbr0", []),
        ("net0", "model=virtio,bridge=vmbr0", "e1000=BC:24:11:00:00:01,bridge=vmbr0", ["model"]),
        ("mp0", "/srv/a,mp=/a", "/srv/a,mp=/a,backup=1", ["backup"]),
        ("mp0", "/srv/a,mp=/a", "mp=/a,/srv/a,backup=0", []),
        ("mp0", "/srv/a,mp=/a", "/srv/b,mp=/a", [""]),
        ("startup", "order=1,up=5", "up=5,order=1", []),
        ("startup", "order=1,up=5", "up=5,order=1,down=9", ["down"]),
        ("ipconfig0", "ip=10.0.0.2/24,gw=10.0.0.1", "gw=10.0.0.1,ip=10.0.0.2/24", []),
        ("ipconfig0", "ip=10.0.0.2/24,gw=10.0.0.1", "gw=10.0.0.1,ip=10.0.0.2/24,ip6=auto", ["ip6"]),
    ],
)
def test_differences(key: str, wanted: str, observed: str, differing: list[str]) -> None:
    """Order, case and what Proxmox adds do not count; every other undeclared property does."""
    assert list(property_differences(key, wanted, observed)) == differing


@pytest.mark.parametrize(
    ("wanted", "observed", "sent"),
    [
        ("name=eth0,bridge=vmbr1", "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,type=veth,tag=5",
         "name=eth0,bridge=vmbr1,hwaddr=BC:24:11:00:00:01"),
        ("model=virtio,bridge=vmbr1", "virtio=BC:24:11:00:00:01,bridge=vmbr0",
         "virtio=BC:24:11:00:00:01,bridge=vmbr1"),
        (NET, "name=eth0", NET),
        (f"{NET},hwaddr=52:54:00:AA:BB:CA", BACK, f"{NET},hwaddr=52:54:00:AA:BB:CA"),
    ],
)  # fmt: skip
def test_own_address(wanted: str, observed: str, sent: str) -> None:
    """A NIC keeps its MAC address, unless another one is declared; undeclared properties are not sent."""
    assert with_own_address("net0", wanted, observed) == sent


def test_without_address() -> None:
    """The address is left out of either notation."""
    assert without_address("virtio=52:54:00:AA:BB:CB,bridge=vmbr0") == "virtio,bridge=vmbr0"
    assert without_address(BACK) == BACK.replace("hwaddr=BC:24:11:0A:0B:0C,", "")


def test_which_are_property_strings() -> None:
    """Numbered options are recognized by their stem."""
    assert all(map(is_property_string, ("net0", "net12", "mp255", "rootfs", "ipconfig0", "startup")))
    assert not any(map(is_property_string, ("tags", "nameserver", "memory", "hostname", "features")))


WORD = st.text("abcxyz/:.-", min_size=1, max_size=8)
KEYS = st.text("abcdefgh", min_size=1, max_size=6)


@given(properties=st.dictionaries(KEYS, WORD, min_size=1), first=st.none() | WORD)
def test_round_trip(properties: dict[str, str], first: str | None) -> None:
    """Formatting and parsing are inverse."""
    whole = properties if first is None else {"": first, **properties}
    assert parse(format_properties(whole)) == whole


@given(wanted=st.dictionaries(KEYS, WORD, min_size=1), observed=st.dictionaries(KEYS, WORD, min_size=1))
def test_converges(wanted: dict[str, str], observed: dict[str, str]) -> None:
    """What is sent differs from the wanted value in nothing, whatever was there before."""
    target, current = format_properties(wanted), format_properties(observed)
    assert property_differences("net0", target, with_own_address("net0", target, current)) == {}
