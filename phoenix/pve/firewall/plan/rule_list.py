"""A list of rules and the derived rules → the fewest API calls from one to the other. Pure.

Derived rules come first, in their order; foreign rules that stay follow in theirs. A rule that was edited or moved is
edited or moved back, never deleted and recreated. Rules are added before others are removed.

Source: Proxmox VE API, `…/firewall/rules`. A new rule is inserted at position 0, whatever position is requested.
`moveto` moves a rule before the one that is at that position at the time. Positions change with each call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from phoenix.derive.firewall import Rule
from phoenix.pve.firewall.model.configuration import ListedRule
from phoenix.pve.firewall.plan.identity import changed_fields, format_rule, key_of, meaning_of
from phoenix.pve.firewall.plan.order import longest_ascending

ForeignRulePolicy = Literal["report", "keep", "remove"]
RuleEditVerb = Literal["create", "update", "move", "remove"]


@dataclass(frozen=True)
class RuleEdit:
    """One call. `expected` is the list at the time of the call; `position` is None for a new rule."""

    verb: RuleEditVerb
    description: str
    expected: tuple[ListedRule, ...]
    position: int | None = None
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RuleListPlan:
    """The calls that add, change and move rules, those that remove rules, the resulting list, and its foreign rules."""

    edits: tuple[RuleEdit, ...]
    removals: tuple[RuleEdit, ...]
    after: tuple[ListedRule, ...]
    foreign: tuple[ListedRule, ...]


def plan_rules(wanted: Sequence[Rule], observed: Iterable[ListedRule], policy: ForeignRulePolicy) -> RuleListPlan:
    """Find the calls that turn the observed list into the derived one."""
    return _RuleList(wanted, observed, policy).plan()


class _RuleList:
    """The list while calls are planned: each call is simulated as Proxmox executes it."""

    def __init__(self, wanted: Sequence[Rule], observed: Iterable[ListedRule], policy: ForeignRulePolicy) -> None:
        self._wanted = wanted
        self._by_key = {rule.key: rule for rule in wanted}
        self._rules = list(observed)
        self._target: dict[int, int] = {}
        """The position in the resulting list, by the rule's `id()`; rules without one are surplus."""
        self._foreign = tuple(rule for rule in self._rules if key_of(rule) is None)
        self._policy = policy

    def plan(self) -> RuleListPlan:
        """Plan all calls, in their order."""
        listed = self._identify()
        adopted = {id(rule) for rule in listed.values()}
        foreign = tuple(rule for rule in self._foreign if id(rule) not in adopted)
        edits = (*self._update(listed), *self._create(listed), *self._move())
        removals = tuple(self._remove())
        return RuleListPlan(edits, removals, tuple(self._rules), foreign)

    def _identify(self) -> dict[str, ListedRule]:
        """For each derived rule the listed one with its key; if the comment was lost, the one with its meaning."""
        listed: dict[str, ListedRule] = {}
        for rule in sorted(self._rules, key=self._differs):
            key = key_of(rule) or ""
            if key in self._by_key:
                listed.setdefault(key, rule)
        by_meaning = {meaning_of(rule): rule for rule in reversed(self._foreign)}
        for wanted in self._wanted:
            if wanted.key not in listed and (same := by_meaning.get(meaning_of(wanted.parameters))):
                listed[wanted.key] = same
        return listed

    def _differs(self, rule: ListedRule) -> bool:
        wanted = self._by_key.get(key_of(rule) or "")
        return wanted is None or bool(changed_fields(wanted, rule))

    def _update(self, listed: dict[str, ListedRule]) -> Iterator[RuleEdit]:
        for wanted in self._wanted:
            rule = listed.get(wanted.key)
            fields = changed_fields(wanted, rule) if rule is not None else {}
            if rule is None or not fields:
                continue
            position = self._position(rule)
            changes = ", ".join(f"{key} {value}" for key, value in fields.items() if key != "comment") or "comment"
            yield self._edit("update", f"{format_rule(rule)}: {changes}", position, fields)
            deleted = fields.get("delete", "").split(",")
            kept = {key: value for key, value in rule.items() if key not in deleted}
            self._rules[position] = listed[wanted.key] = {**kept, **{k: v for k, v in fields.items() if k != "delete"}}

    def _create(self, listed: dict[str, ListedRule]) -> Iterator[RuleEdit]:
        for wanted in reversed(self._wanted):
            if wanted.key not in listed:
                yield self._edit("create", format_rule(wanted.parameters), None, wanted.parameters)
                listed[wanted.key] = wanted.parameters
                self._rules.insert(0, listed[wanted.key])
        order = [listed[wanted.key] for wanted in self._wanted]
        derived = {id(rule) for rule in order}
        if self._policy != "remove":
            order += [rule for rule in self._rules if id(rule) not in derived and key_of(rule) is None]
        self._target = {id(rule): position for position, rule in enumerate(order)}

    def _move(self) -> Iterator[RuleEdit]:
        """Move each rule outside the longest subsequence in order behind the rules that precede it in the result."""
        settled = self._in_order()
        while len(settled) < len(self._target):
            rule = min(
                (rule for rule in self._rules if id(rule) in self._target and id(rule) not in settled),
                key=lambda rule: self._target[id(rule)],
            )
            preceding = [one for one in self._rules if id(one) in settled and self._is_before(one, rule)]
            start, goal = self._position(rule), self._position(preceding[-1]) + 1 if preceding else 0
            yield self._edit("move", f"{format_rule(rule)}: from {start} to {goal}", start, {"moveto": str(goal)})
            del self._rules[start]
            self._rules.insert(goal - (1 if start < goal else 0), rule)
            settled.add(id(rule))

    def _is_before(self, one: ListedRule, other: ListedRule) -> bool:
        return self._target[id(one)] < self._target[id(other)]

    def _in_order(self) -> set[int]:
        """The ids of the longest subsequence of rules that are in their resulting order."""
        rule_at = {position: rule for rule, position in self._target.items()}
        targets = [self._target[id(rule)] for rule in self._rules if id(rule) in self._target]
        return {rule_at[position] for position in longest_ascending(targets)}

    def _remove(self) -> Iterator[RuleEdit]:
        for rule in [rule for rule in reversed(self._rules) if id(rule) not in self._target]:
            position = self._position(rule)
            yield self._edit("remove", format_rule(rule), position)
            del self._rules[position]

    def _position(self, rule: ListedRule) -> int:
        return next(position for position, one in enumerate(self._rules) if one is rule)

    def _edit(
        self, verb: RuleEditVerb, description: str, position: int | None, fields: dict[str, str] | None = None
    ) -> RuleEdit:
        return RuleEdit(verb, description, tuple(self._rules), position, tuple((fields or {}).items()))
