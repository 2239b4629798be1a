"""A file of recorded verdicts is read whatever it leaves out, and refused by case and key where its shape is wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from phoenix.pve.firewall.replay.recorded import MOST_PROBLEMS, RecordError, read_cases
from phoenix.pve.firewall.replay.replay import replay

Case = dict[str, Any]
WEB = {"from": "outside", "to": "ct101", "proto": "tcp", "source": "203.0.113.9", "dest": "10.0.0.101", "dport": 80}


def case() -> Case:
    """One case with nothing in it that could be left out, and a packet that its rule lets in."""
    rules = [{"type": "in", "action": "ACCEPT", "enable": 1, "macro": "HTTP"}]
    guest = {"ip": "10.0.0.101", "nic_firewall": 1, "options": {"enable": 1}, "rules": rules}
    cluster: Case = {"options": {"enable": 1}}
    packets = [{**WEB, "verdict": "ACCEPT"}, {**WEB, "dport": 81, "verdict": "DROP"}]
    return {"local_network": "10.0.0.0/24", "cluster": cluster, "guests": {"101": guest}, "packets": packets}


def differing(*cases: Case) -> list[str]:
    """What a file of these cases is replayed to: its disagreements."""
    return [str(one) for one in replay(read_cases(json.dumps(cases).encode())) if one.differs]


def put(path: str, value: object) -> Callable[[Case], None]:
    """Write a key of a case; `packets.1.to` is the second packet's."""

    def change(given: Any) -> None:
        *above, last = (int(key) if key.isdecimal() and key != "101" else key for key in path.split("."))
        for key in above:
            given = given[key]
        given[last] = value

    return change


def drop(path: str) -> Callable[[Case], None]:
    """Leave out a key of a case."""

    def change(given: Any) -> None:
        *above, last = (int(key) if key.isdecimal() and key != "101" else key for key in path.split("."))
        for key in above:
            given = given[key]
        del given[last]

    return change


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
        # Without the cluster's switch, the guest's, its NIC's or its rules, another verdict is right.
        (put("cluster", NULLS), ["case 0: tcp 81 from 203.0.113.9 to 10.0.0.101: recorded DROP, judged ACCEPT by "]),
        (drop("cluster.options"), ["case 0: tcp 81"]),
        (drop("guests.101.options"), ["case 0: tcp 81"]),
        (put("guests.101.nic_firewall", 0), ["case 0: tcp 81"]),
        (drop("guests.101.rules"), ["case 0: tcp 80"]),
        (drop("guests.101.rules.0.enable"), ["case 0: tcp 80"]),
        (drop("guests.101.rules.0.macro"), ["case 0: tcp 81"]),
        (put("packets.0.verdict", "REJECT"), ["case 0: tcp 80"]),
        # A rule that Proxmox would skip is skipped.
        (put("guests.101.rules.0.macro", "Nonsense"), ["case 0: tcp 80"]),
        (put("packets", []), []),
        (put("packets.0", {**WEB, "to": "vm101", "verdict": "ACCEPT"}), []),
    ],
)
def test_what_may_be_left_out(change: Callable[[Case], None], disagreements: list[str]) -> None:
    """Optional parts may be absent or null, and mean what they mean in the API."""
    given = case()
    change(given)
    found = differing(given)
    assert [one[: len(said)] for one, said in zip(found, disagreements, strict=True)] == disagreements


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (drop("local_network"), "case 1: local_network: is missing"),
        (put("local_network", "nowhere"), "case 1: local_network: 'nowhere' is no address or network"),
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
        (put("guests.101.ip", "10.0.0.300"), "case 1: guests.101.ip: '10.0.0.300' is no IP address"),
        (drop("guests.101.nic_firewall"), "case 1: guests.101.nic_firewall: is missing"),
        (drop("packets"), "case 1: packets: is missing"),
        (drop("packets.1.verdict"), "case 1: packets.1.verdict: is missing"),
        (put("packets.1.verdict", "ALLOW"), "case 1: packets.1.verdict: "),
        (put("packets.1.from", "ct999"), "case 1: packets.1.from: 'ct999' is neither outside, nor host, nor a guest"),
        (put("packets.1.to", "inside"), "case 1: packets.1.to: 'inside' is neither"),
        (put("packets.1.to", 101), "case 1: packets.1.to: must be text"),
        (drop("packets.1.dport"), "case 1: packets.1: dport: of tcp must be a number"),
        (put("packets.1.dport", "http"), "case 1: packets.1: dport: of tcp must be a number"),
        (put("packets.1.dport", 65536), "case 1: packets.1: dport: of tcp must be a number up to 65535"),
        (put("packets.1.proto", "icmp"), "case 1: packets.1: dport: of icmp must be the name of a type"),
        (put("packets.1.source", "here"), "case 1: packets.1.source: 'here' is no IP address"),
    ],
)
def test_wrong_shape(change: Callable[[Case], None], says: str) -> None:
    """What is missing, of a wrong type, or names nobody is said with its case and key."""
    wrong = case()
    change(wrong)
    with pytest.raises(RecordError) as refused:
        differing(case(), wrong)
    assert says in str(refused.value)


def test_a_set_without_meaning() -> None:
    """A member that is no address is found when the set is needed: for what comes to the node."""
    wrong = case()
    wrong["cluster"]["ipsets"] = {"management": ["no where"]}
    wrong["packets"][1]["to"] = "host"
    with pytest.raises(RecordError, match="case 1: 'no where' is not an address"):
        differing(case(), wrong)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not JSON"),
        (b"verdicts", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"{}", "must be a list of cases"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"[7]", "case 0: must be a mapping"),
        (b"\x1f\x8bnonsense", "cannot be decompressed"),
        (gzip.compress(b"[]")[:-4], "cannot be decompressed"),
        (gzip.compress(b"verdicts"), "is not JSON"),
    ],
)
def test_no_record(data: bytes, says: str) -> None:
    """A file that is no list of cases is refused, compressed or not."""
    with pytest.raises(RecordError, match=says):
        read_cases(data)


def test_compressed_or_not() -> None:
    """The two are told apart by what they begin with."""
    plain = json.dumps([case()]).encode()
    assert read_cases(plain) == read_cases(gzip.compress(plain)) == [case()]


def test_a_mistake_everywhere() -> None:
    """Of a mistake that is in every case a few are told, with how many there are."""
    wrong = case()
    del wrong["local_network"]
    with pytest.raises(RecordError) as refused:
        read_cases(json.dumps([wrong] * (MOST_PROBLEMS + 7)).encode())
    assert str(refused.value).splitlines()[-1].strip() == "and 7 more"


def test_one_line() -> None:
    """A disagreement is one line, whatever a comment has in it."""
    given = case()
    given["guests"]["101"]["rules"][0]["comment"] = "two\nlines"
    given["packets"][0]["verdict"] = "DROP"
    (line,) = differing(given)
    assert line.endswith("judged ACCEPT by guest 101, rule 0 (two lines)")
