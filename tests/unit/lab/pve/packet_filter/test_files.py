"""The firewall's files round-trip, and edits by others are detected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phoenix.lab.pve.packet_filter.files import FirewallFiles, dump, parse

CONF: dict[str, Any] = {
    "options": {"enable": 1, "policy_in": "DROP"},
    "aliases": {"local_network": {"name": "local_network", "cidr": "10.0.0.13", "ipversion": 4, "comment": "ours"}},
    "ipset": {"management": [{"cidr": "10.0.0.20"}, {"cidr": "10.0.0.0/24", "nomatch": 1, "comment": "not these"}]},
    "ipset_comments": {"management": "who may"},
    "rules": [
        {"type": "in", "action": "ACCEPT", "enable": 1, "source": "+management", "proto": "tcp", "dport": "22,8006"},
        {"type": "out", "action": "DROP", "enable": 0, "comment": "off # for now"},
        {"type": "in", "action": "ACCEPT", "macro": "Ping", "enable": 1, "log": "info"},
        {"type": "group", "action": "web", "enable": 1, "iface": "net0"},
        {"type": "in", "action": "ACCEPT", "enable": 1, "proto": "icmp", "icmp-type": "any"},
    ],
    "groups": {"web": [{"type": "in", "action": "ACCEPT", "enable": 1, "proto": "tcp", "dport": "80:90"}]},
    "group_comments": {},
}
TEXT = """[OPTIONS]

enable: 1
policy_in: DROP

[ALIASES]

local_network 10.0.0.13 # ours

[IPSET management] # who may

10.0.0.20
!10.0.0.0/24 # not these

[RULES]

IN ACCEPT -source +management -p tcp -dport 22,8006
|OUT DROP # off # for now
IN Ping(ACCEPT) -log info
GROUP web -i net0
IN ACCEPT -p icmp -icmp-type any

[group web]

IN ACCEPT -p tcp -dport 80:90
"""


def test_text() -> None:
    """A configuration is written in the format of the Administration Guide, and parsing it gives the same."""
    assert dump(CONF) == TEXT
    assert parse(TEXT) == CONF


def test_invalid_lines_are_skipped() -> None:
    """An invalid line is skipped, and the other lines apply."""
    conf = parse(
        "words\n[OPTIONS]\nenable: maybe\nndp: 1\n[ALIASES]\nlonely\n"
        "[RULES]\nIN\nIN ACCEPT -nonsense 1\nIN ACCEPT -p tcp\n"
    )
    assert conf["rules"] == [{"type": "in", "action": "ACCEPT", "enable": 1, "proto": "tcp"}]
    assert (conf["options"], conf["aliases"]) == ({"ndp": 1}, {})


def test_edits_of_others(tmp_path: Path) -> None:
    """A file that another program has edited, added or removed is loaded; the lab's own writes are not."""
    files = FirewallFiles("phoenix", tmp_path)
    firewall: dict[str, Any] = {"cluster": parse(TEXT), "nodes": {}, "guests": {101: parse("[OPTIONS]\nenable: 1\n")}}
    files.store(firewall)
    assert not files.load(firewall)
    (tmp_path / "firewall/cluster.fw").write_text("[OPTIONS]\nenable: 0\n")
    (tmp_path / "firewall/101.fw").unlink()
    (tmp_path / "nodes/phoenix/host.fw").write_text("[OPTIONS]\nenable: 0\n")
    assert files.load(firewall)
    assert firewall["cluster"]["options"] == {"enable": 0}
    assert firewall["guests"][101]["options"] == {}
    assert firewall["nodes"]["phoenix"]["options"] == {"enable": 0}
    assert not files.load(firewall)


def test_empty_configuration_has_no_file(tmp_path: Path) -> None:
    """A guest without firewall configuration has no file."""
    files = FirewallFiles("phoenix", tmp_path)
    firewall: dict[str, Any] = {"cluster": parse(""), "nodes": {}, "guests": {101: parse("[OPTIONS]\nenable: 1\n")}}
    files.store(firewall)
    firewall["guests"] = {}
    files.store(firewall)
    assert list(tmp_path.rglob("*.fw")) == []
