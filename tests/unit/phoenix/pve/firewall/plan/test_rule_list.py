"""Plans of rule lists: the fewest calls, executed on a list as Proxmox executes them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.derive.firewall import Rule
from phoenix.pve.firewall.plan.identity import comment_of, format_rule, meaning_of
from phoenix.pve.firewall.plan.rule_list import ForeignRulePolicy, RuleEdit, plan_rules

A = Rule("in", "tcp", "80", "10.0.0.1", "", "web")
B = Rule("out", "udp", "53", "", "10.0.0.53", "names")
C = Rule("in", "icmp", "", "10.0.0.0/24", "", "diagnosis")
WANTED = (A, B, C)
STALE = Rule("in", "tcp", "81", "10.0.0.1", "", "old")
FOREIGN = {"type": "in", "action": "ACCEPT", "enable": 1, "proto": "tcp", "dport": "22", "comment": "mine"}
DROP = {"type": "in", "action": "DROP", "enable": 1}


def listed(*rules: Rule | dict[str, Any], **edits: Any) -> list[dict[str, Any]]:
    """Rules as Proxmox lists them, with numbers and positions; `edits` change the first one."""
    rules_listed = []
    for position, rule in enumerate(rules):
        fields = rule.parameters if isinstance(rule, Rule) else rule
        added = {"enable": int(fields.get("enable", 0)), "pos": position, "digest": "d", "ipversion": 4}
        rules_listed.append({**fields, **added})
    rules_listed[0:1] = [{**rules_listed[0], **edits}] if rules_listed else []
    return rules_listed


def executed(rules: list[dict[str, Any]], edits: tuple[RuleEdit, ...]) -> list[dict[str, Any]]:
    """The list after the calls, executed as the API documents them; each must expect the list at that time."""
    now = [dict(rule) for rule in rules]
    for edit in edits:
        assert [meaning_of(rule) for rule in now] == [meaning_of(rule) for rule in edit.expected]
        fields = dict(edit.fields)
        if edit.position is None:
            now.insert(0, fields)
        elif edit.verb == "remove":
            del now[edit.position]
        elif "moveto" in fields:
            goal = int(fields["moveto"])
            rest = [(number, rule) for number, rule in enumerate(now) if number != edit.position]
            before = [rule for number, rule in rest if number < goal]
            now = [*before, now[edit.position], *(rule for number, rule in rest if number >= goal)]
        else:
            deleted = fields.pop("delete", "").split(",")
            now[edit.position] = {k: v for k, v in now[edit.position].items() if k not in deleted} | fields
    return now


@pytest.mark.parametrize(
    ("observed", "verbs"),
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
def test_edits(observed: list[dict[str, Any]], verbs: list[str]) -> None:
    """Edited and moved rules are changed back, missing ones added, and only foreign or stale ones removed."""
    plan = plan_rules(WANTED, observed, "remove")
    assert [edit.verb for edit in (*plan.edits, *plan.removals)] == verbs
    assert_converges(observed, "remove")


@pytest.mark.parametrize("policy", ["report", "keep"])
def test_foreign_rules_stay(policy: ForeignRulePolicy) -> None:
    """If the inventory keeps foreign rules, they stay behind the derived ones and are reported."""
    observed = listed(DROP, A, FOREIGN, B, STALE, C)
    plan = plan_rules(WANTED, observed, policy)
    assert [edit.verb for edit in plan.removals] == ["remove"]
    assert [format_rule(rule) for rule in plan.foreign] == ["IN DROP", "IN ACCEPT proto tcp dport 22 (mine)"]
    after = executed(observed, (*plan.edits, *plan.removals))
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
OBSERVED = st.lists(
    st.one_of(
        RULES.map(lambda rule: {**rule.parameters}),
        RULES.map(lambda rule: {**rule.parameters, "enable": "0"}),
        RULES.map(lambda rule: {**rule.parameters, "dport": "9", "sport": "7"}),
        RULES.map(lambda rule: {**rule.parameters, "comment": ""}),
        st.sampled_from([FOREIGN, DROP]).map(dict),
    )
)


@given(
    wanted=st.lists(RULES, unique_by=lambda rule: rule.key),
    observed=OBSERVED,
    policy=st.sampled_from(["remove", "report"]),
)
def test_any_list_converges(wanted: list[Rule], observed: list[dict[str, Any]], policy: ForeignRulePolicy) -> None:
    """From any list, the calls lead to the derived rules in their order, and a second plan is empty."""
    assert_converges(observed, policy, tuple(wanted))


def assert_converges(
    observed: list[dict[str, Any]], policy: ForeignRulePolicy, wanted: tuple[Rule, ...] = WANTED
) -> None:
    """Execute a plan and compare the result."""
    plan = plan_rules(wanted, observed, policy)
    after = executed(observed, (*plan.edits, *plan.removals))
    assert [meaning_of(rule) for rule in after] == [meaning_of(rule) for rule in plan.after]
    assert [comment_of(rule) for rule in after[: len(wanted)]] == [rule.comment for rule in wanted]
    kept = [] if policy == "remove" else [meaning_of(rule) for rule in plan.foreign]
    assert [meaning_of(rule) for rule in after[len(wanted) :]] == kept
    again = plan_rules(wanted, after, policy)
    assert (again.edits, again.removals) == ((), ())
