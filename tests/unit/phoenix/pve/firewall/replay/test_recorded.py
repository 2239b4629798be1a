"""A recording is read without its optional keys, and refused with case and key if it violates the schema."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from phoenix.pve.firewall.replay.compare import replay
from phoenix.pve.firewall.replay.recorded import MAX_PROBLEMS, RecordingError, read_cases

Case = dict[str, Any]
WEB = {"from": "outside", "to": "ct101", "proto": "tcp", "source": "203.0.113.9", "dest": "10.0.0.101", "dport": 80}


def case() -> Case:
    """A minimal case with a packet that its rule accepts and one that it does not."""
    rules = [{"type": "in", "action": "ACCEPT", "enable": 1, "macro": "HTTP"}]
    guest = {"ip": "10.0.0.101", "nic_firewall": 1, "options": {"enable": 1}, "rules": rules}
    cluster: Case = {"options": {"enable": 1}}
    packets = [{**WEB, "verdict": "ACCEPT"}, {**WEB, "dport": 81, "verdict": "DROP"}]
    return {"local_network": "10.0.0.0/24", "cluster": cluster, "guests": {"101": guest}, "packets": packets}


def differing(*cases: Case) -> list[str]:
    """The packets of a recording whose verdicts differ from the model's."""
    return [str(one) for one in replay(read_cases(json.dumps(cases).encode())) if one.differs]


def keys_of(path: str) -> list[str | int]:
    """The keys and indexes of a path; 101 is a guest's id."""
    return [int(key) if key.isdecimal() and key != "101" else key for key in path.split(".")]


def put(path: str, value: object) -> Callable[[Case], None]:
    """Set a key of a case; `packets.1.to` is the second packet's."""

    def change(value_at: Any) -> None:
        *above, last = keys_of(path)
        for key in above:
            value_at = value_at[key]
        value_at[last] = value

    return change


def drop(path: str) -> Callable[[Case], None]:
    """Remove a key of a case."""

    def change(value_at: Any) -> None:
        *above, last = keys_of(path)
        for key in above:
            value_at = value_at[key]
        del value_at[last]

    return change


PACKET_81 = "tcp 81 from 203.0.113.9 to 10.0.0.101"
NULLS = {"options": None, "aliases": None, "ipsets": None, "groups": None, "rules": None}
MEMBERS = ["10.0.0.0/24", {"cidr": "10.0.0.101", "nomatch": 1}]


@pytest.mark.parametrize(
    ("change", "disagreements"),
    [
        (lambda _: None, []),
        (put("cluster", {"options": {"enable": 1}, "further": 1}), []),
        (put("host_ip", "10.0.0.13"), []),
        (put("cluster.aliases", {"net_0": "10.0.0.0/24"}), []),
        (put("cluster.ipsets", {"set0": MEMBERS}), []),
        (put("cluster.groups", {"grp0": []}), []),
        # Without the switch of cluster, guest or NIC, or without rules, the model's verdict differs.
        (
            put("cluster", NULLS),
            [f"case 0: {PACKET_81}: recorded DROP, the model says ACCEPT by "],
        ),
        (drop("cluster.options"), ["case 0: tcp 81"]),
        (drop("guests.101.options"), ["case 0: tcp 81"]),
        (put("guests.101.nic_firewall", 0), ["case 0: tcp 81"]),
        (drop("guests.101.rules"), ["case 0: tcp 80"]),
        (drop("guests.101.rules.0.enable"), ["case 0: tcp 80"]),
        (drop("guests.101.rules.0.macro"), ["case 0: tcp 81"]),
        (put("packets.0.verdict", "REJECT"), ["case 0: tcp 80"]),
        # A rule that Proxmox skips is skipped.
        (put("guests.101.rules.0.macro", "Nonsense"), ["case 0: tcp 80"]),
        (put("packets", []), []),
        (put("packets.0", {**WEB, "to": "vm101", "verdict": "ACCEPT"}), []),
    ],
)
def test_optional_keys(change: Callable[[Case], None], disagreements: list[str]) -> None:
    """Optional keys may be absent or null, and then mean the same as in the API."""
    changed = case()
    change(changed)
    lines = differing(changed)
    assert [line[: len(start)] for line, start in zip(lines, disagreements, strict=True)] == disagreements


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("local_network"), "case 1: local_network: is missing"),
        (put("local_network", "nowhere"), "case 1: local_network: 'nowhere' is not an address or network"),
        (drop("cluster"), "case 1: cluster: is missing"),
        (put("cluster", []), "case 1: cluster: must be a mapping"),
        (put("cluster.options", {"policy_in": "ALLOW"}), "case 1: cluster.options.policy_in: "),
        (put("cluster.rules", {}), "case 1: cluster.rules: must be a list"),
        (put("cluster.rules", [{"action": "ACCEPT"}]), "case 1: cluster.rules.0.type: is missing"),
        (put("cluster.rules", [{"type": "into", "action": "ACCEPT"}]), "case 1: cluster.rules.0.type: "),
        (put("cluster.aliases", {"a": 7}), "case 1: cluster.aliases.a: must be text"),
        (put("cluster.ipsets", {"management": [7]}), "case 1: cluster.ipsets.management.0: must be "),
        (drop("guests"), "case 1: guests: is missing"),
        (put("guests", []), "case 1: guests: must be a mapping"),
        (put("guests.101.ip", "10.0.0.300"), "case 1: guests.101.ip: '10.0.0.300' is not an IP address"),
        (drop("guests.101.nic_firewall"), "case 1: guests.101.nic_firewall: is missing"),
        (drop("packets"), "case 1: packets: is missing"),
        (drop("packets.1.verdict"), "case 1: packets.1.verdict: is missing"),
        (put("packets.1.verdict", "ALLOW"), "case 1: packets.1.verdict: "),
        (put("packets.1.from", "ct999"), "case 1: packets.1.from: 'ct999' is not outside, host or a guest of the case"),
        (put("packets.1.to", "inside"), "case 1: packets.1.to: 'inside' is not outside"),
        (put("packets.1.to", 101), "case 1: packets.1.to: must be text"),
        (drop("packets.1.dport"), "case 1: packets.1: dport: of tcp must be a number"),
        (put("packets.1.dport", "http"), "case 1: packets.1: dport: of tcp must be a number"),
        (put("packets.1.dport", 65536), "case 1: packets.1: dport: of tcp must be a number up to 65535"),
        (put("packets.1.proto", "icmp"), "case 1: packets.1: dport: of icmp must be the name of a type"),
        (put("packets.1.source", "here"), "case 1: packets.1.source: 'here' is not an IP address"),
    ],
)
def test_schema(change: Callable[[Case], None], message: str) -> None:
    """A key that is missing, has a wrong type or names an unknown end is reported with its case."""
    wrong = case()
    change(wrong)
    with pytest.raises(RecordingError) as refused:
        differing(case(), wrong)
    assert message in str(refused.value)


def test_invalid_set_member() -> None:
    """A set member that is no address is reported when a packet needs the set."""
    wrong = case()
    wrong["cluster"]["ipsets"] = {"management": ["no where"]}
    wrong["packets"][1]["to"] = "host"
    with pytest.raises(RecordingError, match="case 1: 'no where' is not an address"):
        differing(case(), wrong)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not JSON"),
        (b"verdicts", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"{}", "must be a list of cases"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"[7]", "case 0: must be a mapping"),
        (b"\x1f\x8bnonsense", "cannot be decompressed"),
        (gzip.compress(b"[]", mtime=0)[:-4], "cannot be decompressed"),
        (gzip.compress(b"verdicts", mtime=0), "is not JSON"),
    ],
)
def test_not_a_recording(data: bytes, message: str) -> None:
    """A file that is not a list of cases is refused, compressed or not."""
    with pytest.raises(RecordingError, match=message):
        read_cases(data)


def test_compressed_or_not() -> None:
    """Compressed and plain files give the same cases."""
    plain = json.dumps([case()]).encode()
    assert read_cases(plain) == read_cases(gzip.compress(plain)) == [case()]


def test_number_of_problems_is_limited() -> None:
    """A mistake in every case is reported for a few, with the number of the others."""
    wrong = case()
    del wrong["local_network"]
    with pytest.raises(RecordingError) as refused:
        read_cases(json.dumps([wrong] * (MAX_PROBLEMS + 7)).encode())
    assert str(refused.value).splitlines()[-1].strip() == "and 7 more"


def test_one_line() -> None:
    """A differing packet is one line, even if a comment has several."""
    changed = case()
    changed["guests"]["101"]["rules"][0]["comment"] = "two\nlines"
    changed["packets"][0]["verdict"] = "DROP"
    (line,) = differing(changed)
    assert line.endswith("the model says ACCEPT by guest 101, rule 0 (two lines)")
