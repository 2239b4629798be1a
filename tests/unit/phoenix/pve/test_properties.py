"""Property strings as sent and as Proxmox returns them have the same meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.pve.properties import differences, format_properties, is_property_string, is_same, merge, parse

NET = "name=eth0,bridge=vmbr0,firewall=1,type=veth,ip=10.0.0.10/24,gw=10.0.0.1"
BACK = "name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=BC:24:11:0A:0B:0C,ip=10.0.0.10/24,type=veth"


@pytest.mark.parametrize(
    ("key", "wanted", "observed", "answer"),
    [
        ("net0", NET, BACK, True),
        ("net0", f"{NET},hwaddr=52:54:00:aa:bb:ca", BACK, False),
        ("net0", f"{NET},hwaddr=bc:24:11:0a:0b:0c", BACK, True),
        ("net0", NET, BACK.replace("firewall=1,", ""), False),
        ("net0", NET, BACK.replace("10.0.0.1,", "10.0.0.254,"), False),
        ("net0", NET, None, False),
        ("net0", "model=virtio,bridge=vmbr0", "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1", True),
        ("net0", "virtio=52:54:00:aa:bb:cb,bridge=vmbr0", "virtio=52:54:00:AA:BB:CB,bridge=vmbr0", True),
        ("net0", "model=virtio,bridge=vmbr0", "e1000=BC:24:11:00:00:01,bridge=vmbr0", False),
        ("mp0", "/srv/a,mp=/a", "/srv/a,mp=/a,backup=1", True),
        ("mp0", "/srv/a,mp=/a", "/srv/b,mp=/a", False),
        ("mp0", "/srv/a,mp=/a", "mp=/a", False),
        ("rootfs", "size=8G", "store:subvol-150-disk-0,size=8G", True),
        ("startup", "order=1,up=5", "up=5,order=1", True),
        ("ipconfig0", "ip=10.0.0.2/24,gw=10.0.0.1", "gw=10.0.0.1,ip=10.0.0.2/24", True),
        ("tags", "phoenix", "a;phoenix;z", True),
        ("tags", "phoenix;b", "phoenix", False),
        ("tags", "phoenix", None, False),
        ("nameserver", "10.0.0.53", "10.0.0.53", True),
        ("nameserver", "10.0.0.53 10.0.0.54", "10.0.0.53  10.0.0.54", True),
        ("nameserver", "10.0.0.53", "10.0.0.13", False),
        ("memory", "512", "512", True),
        ("memory", "512", "1024", False),
        ("hostname", "a,b=c", "a,b=c", True),
    ],
)
def test_is_same(key: str, wanted: str, observed: str | None, answer: bool) -> None:  # noqa: FBT001  # a row of the table
    """Values are compared by meaning: order, case of addresses and added keys do not count."""
    assert is_same(key, wanted, observed) is answer


@pytest.mark.parametrize(
    ("key", "wanted", "observed", "sent"),
    [
        ("net0", "name=eth0,bridge=vmbr1", "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,type=veth",
         "name=eth0,bridge=vmbr1,hwaddr=BC:24:11:00:00:01,type=veth"),
        ("net0", "model=virtio,bridge=vmbr1", "virtio=BC:24:11:00:00:01,bridge=vmbr0",
         "virtio=BC:24:11:00:00:01,bridge=vmbr1"),
        ("net0", NET, None, NET),
        ("tags", "phoenix", "theirs", "phoenix;theirs"),
        ("tags", "phoenix", "", "phoenix"),
        ("mp0", "/new,mp=/a", "/old,mp=/a,backup=1", "/new,mp=/a,backup=1"),
        ("memory", "512", "256", "512"),
    ],
)  # fmt: skip
def test_merge(key: str, wanted: str, observed: str | None, sent: str) -> None:
    """The value to send keeps what Proxmox or a person added, such as the hardware address."""
    assert merge(key, wanted, observed) == sent


def test_differences() -> None:
    """Only options that differ or are absent are sent; numbers and booleans are compared as text."""
    observed = {"memory": 512, "onboot": True, "cores": 2, "description": "mine\n", "net0": BACK}
    wanted = {"memory": "512", "onboot": "1", "cores": "4", "net0": NET, "hostname": "a"}
    assert differences(wanted, observed) == {"cores": "4", "hostname": "a"}
    assert differences({"description": "mine"}, observed) == {}


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
def test_merge_converges(wanted: dict[str, str], observed: dict[str, str]) -> None:
    """After a merge no option differs, and no observed key is lost."""
    sent = merge("net0", format_properties(wanted), format_properties(observed))
    assert is_same("net0", format_properties(wanted), sent)
    assert parse(sent).keys() == wanted.keys() | observed.keys()
