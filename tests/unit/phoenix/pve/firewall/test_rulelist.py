"""Lists of rules against derived ones: the smallest steps, taken on a list as Proxmox takes them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.derive.firewall import Rule
from phoenix.pve.firewall.plan.identity import comment_of, describe, key_of, means
from phoenix.pve.firewall.plan.rulelist import Policy, Step, reconcile

A = Rule("in", "tcp", "80", "10.0.0.1", "", "web")
B = Rule("out", "udp", "53", "", "10.0.0.53", "names")
C = Rule("in", "icmp", "", "10.0.0.0/24", "", "diagnosis")
WANTED = (A, B, C)
STALE = Rule("in", "tcp", "81", "10.0.0.1", "", "old")
FOREIGN = {"type": "in", "action": "ACCEPT", "enable": 1, "proto": "tcp", "dport": "22", "comment": "mine"}
DROP = {"type": "in", "action": "DROP", "enable": 1}


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


def taken(rules: list[dict[str, Any]], steps: tuple[Step, ...]) -> list[dict[str, Any]]:
    """The list after the steps, each made as the API documents it; each must have expected the list as it then is."""
    now = [dict(rule) for rule in rules]
    for step in steps:
        assert [means(rule) for rule in now] == [means(rule) for rule in step.before]
        fields = dict(step.fields)
        if step.position is None:
            now.insert(0, fields)
        elif step.verb == "remove":
            del now[step.position]
        elif "moveto" in fields:
            goal = int(fields["moveto"])
            rest = [(number, rule) for number, rule in enumerate(now) if number != step.position]
            before = [rule for number, rule in rest if number < goal]
            now = [*before, now[step.position], *(rule for number, rule in rest if number >= goal)]
        else:
            gone = fields.pop("delete", "").split(",")
            now[step.position] = {k: v for k, v in now[step.position].items() if k not in gone} | fields
    return now


@pytest.mark.parametrize(
    ("seen", "verbs"),
    [
        (listed(*WANTED), []),
        (listed(*WANTED, macro="ping"), ["update"]),
        ([], ["create", "create", "create"]),
        (listed(A, C), ["create", "move"]),
        (listed(B, C), ["create"]),
        (listed(C, A, B), ["move"]),
        (listed(C, B, A), ["move", "move"]),
        (listed(*WANTED, FOREIGN), ["remove"]),
        (listed(FOREIGN, *WANTED, FOREIGN), ["remove", "remove"]),
        (listed(DROP, *WANTED), ["remove"]),
        (listed(*WANTED, A), ["remove"]),
        (listed(*WANTED, STALE), ["remove"]),
        (listed(*WANTED, dport="8080"), ["update"]),
        (listed(*WANTED, enable=0), ["update"]),
        (listed(*WANTED, action="DROP"), ["update"]),
        (listed(*WANTED, source=""), ["update"]),
        (listed(*WANTED, sport="1024"), ["update"]),
        (listed(*WANTED, iface="net1"), ["update"]),
        (listed(*WANTED, log="info"), []),
        (listed(*WANTED, comment="mine"), ["update"]),
        (listed(*WANTED, comment=""), ["update"]),
        (listed(*WANTED, comment=f"{A.comment}, reworded"), ["update"]),
        (listed(*WANTED, comment=f" {A.comment} "), []),
        (listed(*WANTED, comment=B.comment), ["create", "remove"]),
    ],
)
def test_steps(seen: list[dict[str, Any]], verbs: list[str]) -> None:
    """What was edited is edited back, what was moved is moved back, what is missing is added, and only strangers go."""
    found = reconcile(WANTED, seen, "remove")
    assert [step.verb for step in (*found.makes, *found.removals)] == verbs
    assert_settled(seen, "remove")


@pytest.mark.parametrize("policy", ["report", "keep"])
def test_foreign_rules_stay(policy: Policy) -> None:
    """Rules that nobody derived stay where the inventory says so, behind the derived ones, and are told."""
    seen = listed(DROP, A, FOREIGN, B, STALE, C)
    found = reconcile(WANTED, seen, policy)
    assert [step.verb for step in found.removals] == ["remove"]
    assert [describe(rule) for rule in found.foreign] == ["IN DROP", "IN ACCEPT proto tcp dport 22 (mine)"]
    after = taken(seen, (*found.makes, *found.removals))
    assert [comment_of(rule) for rule in after] == [A.comment, B.comment, C.comment, "", "mine"]


RULES = st.builds(
    Rule,
    st.sampled_from(["in", "out"]),
    st.sampled_from(["tcp", "udp"]),
    st.integers(1, 5).map(str),
    st.sampled_from(["", "10.0.0.1"]),
    st.sampled_from(["", "10.0.0.2"]),
    st.just("x"),
)
SEEN = st.lists(
    st.one_of(
        RULES.map(lambda rule: {**rule.parameters}),
        RULES.map(lambda rule: {**rule.parameters, "enable": "0"}),
        RULES.map(lambda rule: {**rule.parameters, "dport": "9", "sport": "7"}),
        RULES.map(lambda rule: {**rule.parameters, "comment": ""}),
        st.sampled_from([FOREIGN, DROP]).map(dict),
    )
)


@given(wanted=st.lists(RULES, unique_by=lambda rule: rule.key), seen=SEEN, policy=st.sampled_from(["remove", "report"]))
def test_any_list_settles(wanted: list[Rule], seen: list[dict[str, Any]], policy: Policy) -> None:
    """From whatever list, the steps end with the derived rules in their order, and nothing is left to do."""
    assert_settled(seen, policy, tuple(wanted))


def assert_settled(seen: list[dict[str, Any]], policy: Policy, wanted: tuple[Rule, ...] = WANTED) -> None:
    """Take the steps, and look."""
    found = reconcile(wanted, seen, policy)
    after = taken(seen, (*found.makes, *found.removals))
    assert [means(rule) for rule in after] == [means(rule) for rule in found.after]
    assert [comment_of(rule) for rule in after[: len(wanted)]] == [rule.comment for rule in wanted]
    kept = [] if policy == "remove" else [means(rule) for rule in found.foreign]
    assert [means(rule) for rule in after[len(wanted) :]] == kept
    again = reconcile(wanted, after, policy)
    assert (again.makes, again.removals) == ((), ())


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
    assert key_of({"comment": comment}) == key


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (FOREIGN, "IN ACCEPT proto tcp dport 22 (mine)"),
        ({**FOREIGN, "enable": 0, "comment": ""}, "IN ACCEPT proto tcp dport 22 (off)"),
        ({"type": "out", "action": "DROP", "macro": "Ping", "enable": 1, "dest": "+x"}, "OUT Ping(DROP) dest +x"),
    ],
)
def test_describe(rule: dict[str, Any], said: str) -> None:
    """A rule is said in the words of the firewall's own files."""
    assert describe(rule) == said
