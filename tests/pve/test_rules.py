"""Rules as listed against rules as derived."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.derive.firewall import Rule
from phoenix.pve.rules import compare_rules, describe, key_of

A = Rule("in", "tcp", "80", "10.0.0.1", "", "web")
B = Rule("out", "udp", "53", "", "10.0.0.53", "names")
C = Rule("in", "icmp", "", "10.0.0.0/24", "", "diagnosis")
WANTED = (A, B, C)
FOREIGN = {"type": "in", "action": "ACCEPT", "enable": 1, "proto": "tcp", "dport": "22", "comment": "mine"}


def listed(*rules: Rule | dict[str, Any], **edits: Any) -> list[dict[str, Any]]:
    """Rules as Proxmox lists them: numbers as numbers, macros spelt its way, a position each; edits go to the first."""
    found = []
    for position, rule in enumerate(rules):
        spelled = rule.parameters if isinstance(rule, Rule) else rule
        found.append(
            {**spelled, "enable": int(spelled.get("enable", 0)), "pos": position, "digest": "d", "ipversion": 4}
        )
    found[0:1] = [{**found[0], **edits}] if found else []
    return found


@pytest.mark.parametrize(
    ("seen", "add", "delete"),
    [
        (listed(*WANTED), (), []),
        (listed(C, A, B), (), []),
        (listed(C, A, B, macro="ping"), (), []),
        ([], WANTED, []),
        (listed(A, C), (B,), []),
        (listed(*WANTED, FOREIGN), (), [3]),
        (listed(FOREIGN, *WANTED, FOREIGN), (), [4, 0]),
        (listed(*WANTED, A), (), [3]),
        (listed(*WANTED, dport="8080"), (A,), [0]),
        (listed(*WANTED, enable=0), (A,), [0]),
        (listed(*WANTED, action="DROP"), (A,), [0]),
        (listed(*WANTED, source="10.0.0.0/8"), (A,), [0]),
        (listed(*WANTED, source=""), (A,), [0]),
        (listed(*WANTED, sport="1024"), (A,), [0]),
        (listed(*WANTED, iface="net1"), (A,), [0]),
        (listed(*WANTED, log="info"), (), []),
        (listed(*WANTED, comment="mine"), (A,), [0]),
        (listed(*WANTED, comment=f"{A.comment}, reworded"), (A,), [0]),
        (listed(*WANTED, comment=f" {A.comment} "), (), []),
        (listed(*WANTED, comment=B.comment), (A,), [0]),
        (listed({"type": "group", "action": "web", "enable": 1}, *WANTED), (), [0]),
    ],
)
def test_compare(seen: list[dict[str, Any]], add: tuple[Rule, ...], delete: list[int]) -> None:
    """Missing rules are added; edited, disabled, doubled and foreign ones go, from below; order does not matter."""
    changes = compare_rules(WANTED, seen)
    assert changes.add == add
    assert [position for position, _ in changes.delete] == delete
    assert bool(changes) is bool(add or delete)


RULES = st.builds(
    Rule,
    st.sampled_from(["in", "out"]),
    st.sampled_from(["tcp", "udp"]),
    st.integers(1, 5).map(str),
    st.sampled_from(["", "10.0.0.1"]),
    st.sampled_from(["", "10.0.0.2"]),
    st.just("x"),
)


@given(
    wanted=st.lists(RULES, unique_by=lambda rule: rule.key), seen=st.lists(RULES), foreign=st.lists(st.just(FOREIGN))
)
def test_changes_settle(wanted: list[Rule], seen: list[Rule], foreign: list[dict[str, Any]]) -> None:
    """After additions on top and deletions from below, exactly the derived rules are there."""
    table = listed(*seen, *foreign)
    changes = compare_rules(wanted, table)
    for position, _ in changes.delete:
        del table[position]
    table = listed(*changes.add, *table)
    assert not compare_rules(wanted, table)
    assert sorted(rule["comment"] for rule in table) == sorted(rule.comment for rule in wanted)


@pytest.mark.parametrize(
    ("comment", "key"),
    [
        (A.comment, A.key),
        (f"  {A.comment}", A.key),
        ("phoenix:0123abcd", "0123abcd"),
        ("phoenix:0123abcde", None),
        ("phoenix:0123ABCD", None),
        ("my phoenix:0123abcd", None),
        ("", None),
    ],
)
def test_key_of(comment: str, key: str | None) -> None:
    """A key is read only from a comment that we wrote."""
    assert key_of(comment) == key


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (FOREIGN, "IN ACCEPT proto tcp dport 22"),
        ({**FOREIGN, "enable": 0}, "IN ACCEPT proto tcp dport 22 (off)"),
        ({"type": "out", "action": "DROP", "macro": "Ping", "enable": 1, "dest": "+x"}, "OUT Ping(DROP) dest +x"),
    ],
)
def test_describe(rule: dict[str, Any], said: str) -> None:
    """A rule is said in the words of the firewall's own files."""
    assert describe(rule) == said
