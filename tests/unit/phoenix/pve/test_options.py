"""Options as declared and as observed: what is sent, and what a person reads."""

from __future__ import annotations

import pytest

from phoenix.pve.options import OptionChange, option_change, tags_change

NET = "name=eth0,bridge=vmbr0,firewall=1"
LONG = "ssh-ed25519 " + "A" * 200


@pytest.mark.parametrize(
    ("key", "wanted", "observed", "change"),
    [
        ("memory", "512", "512", None),
        ("memory", "512", "1024", OptionChange("memory", "512", "memory is '1024', should be '512'")),
        ("memory", "512", None, OptionChange("memory", "512", "memory is absent, should be '512'")),
        ("startup", None, None, None),
        ("startup", None, "order=3", OptionChange("startup", None, "startup is 'order=3', should be absent")),
        ("nameserver", "10.0.0.53 10.0.0.54", "10.0.0.53  10.0.0.54", None),
        ("nameserver", "10.0.0.53", "10.0.0.54",
         OptionChange("nameserver", "10.0.0.53", "nameserver is '10.0.0.54', should be '10.0.0.53'")),
        ("agent", "1", "enabled=1,fstrim_cloned_disks=1", None),
        ("agent", "1", "0", OptionChange("agent", "1", "agent is '0', should be '1'")),
        ("onboot", "1", "1", None),
        ("net0", NET, f"{NET},tag=20",
         OptionChange("net0", NET, "net0: tag is 20, should be absent")),
        ("net0", NET, NET.replace("vmbr0", "vmbr9"),
         OptionChange("net0", NET, "net0: bridge is vmbr9, should be vmbr0")),
    ],
)  # fmt: skip
def test_option(key: str, wanted: str | None, observed: str | None, change: OptionChange | None) -> None:
    """An option is compared by meaning; the difference names the properties that differ."""
    assert option_change(key, wanted, observed) == change


def test_long_values_differ_visibly() -> None:
    """Of long values, the difference shows the part in which they differ."""
    change = option_change("sshkeys", f"{LONG} one@here", f"{LONG} two@there")
    assert change is not None
    assert "one@here" in change.difference
    assert "two@there" in change.difference
    assert len(change.difference) < 200


@pytest.mark.parametrize(
    ("wanted", "former", "observed", "value", "difference"),
    [
        (("a", "b"), (), "a;b", None, ""),
        (("a", "b"), (), "b;theirs;a", None, ""),
        (("a", "b"), (), None, "a;b", "tags lack a, b"),
        (("a",), ("a", "b"), "a;b;theirs", "a;theirs", "tags have b, which the inventory no longer declares"),
        (("a", "c"), ("b",), "a;b", "a;c", "tags lack c and have b, which the inventory no longer declares"),
        (("a",), ("a",), "a;b", None, ""),
    ],
)
def test_tags(
    wanted: tuple[str, ...], former: tuple[str, ...], observed: str | None, value: str | None, difference: str
) -> None:
    """Declared tags are added, those that Phoenix gave and that are no longer declared are removed, others stay."""
    expected = OptionChange("tags", value, difference) if value else None
    assert tags_change(wanted, former, observed) == expected
