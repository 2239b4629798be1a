"""A list of rules → the smallest steps to the derived one. Pure.

Derived rules come first, in their order; foreign ones that stay keep theirs behind them. Nothing is deleted and made
again: a rule that was edited is edited back, one that was moved is moved back. Rules are added before others go.

Source: Proxmox VE API, `…/firewall/rules`. A new rule is put on top whatever position is asked for; `moveto` puts one
before the rule that is at that position now; positions change with each step.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from phoenix.derive.firewall import Rule
from phoenix.pve.firewall.model.configuration import Listed
from phoenix.pve.firewall.plan.identity import describe, edits, key_of, means

Policy = Literal["report", "keep", "remove"]


@dataclass(frozen=True)
class Step:
    """One call. `before` is the list that it is made on; `position` is None for a new rule."""

    verb: Literal["create", "update", "move", "remove"]
    said: str
    before: tuple[Listed, ...]
    position: int | None = None
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Reconciled:
    """Steps, those that only add or change apart from those that take away; the list afterwards; what is foreign."""

    makes: tuple[Step, ...]
    removals: tuple[Step, ...]
    after: tuple[Listed, ...]
    foreign: tuple[Listed, ...]


def reconcile(wanted: Sequence[Rule], seen: Iterable[Listed], policy: Policy) -> Reconciled:
    """Find the steps that separate a list from the derived one."""
    return _List(wanted, seen, policy).reconciled()


class _List:
    """A list of rules while steps are found: each is taken here as Proxmox will take it."""

    def __init__(self, wanted: Sequence[Rule], seen: Iterable[Listed], policy: Policy) -> None:
        self._wanted = wanted
        self._by_key = {one.key: one for one in wanted}
        self._rules = list(seen)
        self._places: dict[int, int] = {}
        """For each rule, by identity, its place in the goal; what has none is surplus."""
        self._foreign = tuple(rule for rule in self._rules if key_of(rule) is None)
        self._policy = policy

    def reconciled(self) -> Reconciled:
        """All steps, in their order."""
        chosen = self._choose()
        adopted = {id(rule) for rule in chosen.values()}
        foreign = tuple(rule for rule in self._foreign if id(rule) not in adopted)
        makes = (*self._edit(chosen), *self._add(chosen), *self._move())
        removals = tuple(self._remove())
        return Reconciled(makes, removals, tuple(self._rules), foreign)

    def _choose(self) -> dict[str, Listed]:
        """For each derived rule the listed one that is it: by its key, or by its meaning if a comment was lost."""
        chosen: dict[str, Listed] = {}
        for rule in sorted(self._rules, key=self._differs):
            key = key_of(rule) or ""
            if key in self._by_key:
                chosen.setdefault(key, rule)
        lost = {means(rule): rule for rule in reversed(self._foreign)}
        for one in self._wanted:
            if one.key not in chosen and (found := lost.get(means(one.parameters))):
                chosen[one.key] = found
        return chosen

    def _differs(self, rule: Listed) -> bool:
        one = self._by_key.get(key_of(rule) or "")
        return one is None or bool(edits(one, rule))

    def _edit(self, chosen: dict[str, Listed]) -> Iterator[Step]:
        for one in self._wanted:
            rule = chosen.get(one.key)
            fields = edits(one, rule) if rule is not None else {}
            if rule is None or not fields:
                continue
            position = self._at(rule)
            words = ", ".join(f"{key} {value}" for key, value in fields.items() if key != "comment") or "comment"
            yield self._step("update", f"{describe(rule)}: {words}", position, fields)
            gone = fields.get("delete", "").split(",")
            kept = {key: value for key, value in rule.items() if key not in gone}
            self._rules[position] = chosen[one.key] = {**kept, **{k: v for k, v in fields.items() if k != "delete"}}

    def _add(self, chosen: dict[str, Listed]) -> Iterator[Step]:
        for one in reversed(self._wanted):
            if one.key not in chosen:
                yield self._step("create", describe(one.parameters), None, one.parameters)
                chosen[one.key] = one.parameters
                self._rules.insert(0, chosen[one.key])
        order = [chosen[one.key] for one in self._wanted]
        ours = {id(rule) for rule in order}
        if self._policy != "remove":
            order += [rule for rule in self._rules if id(rule) not in ours and key_of(rule) is None]
        self._places = {id(rule): place for place, rule in enumerate(order)}

    def _move(self) -> Iterator[Step]:
        """Move what is not part of the longest run that is in order already, each behind the one it belongs behind."""
        settled = self._in_order()
        while len(settled) < len(self._places):
            rule = min(
                (rule for rule in self._rules if id(rule) in self._places and id(rule) not in settled),
                key=lambda rule: self._places[id(rule)],
            )
            behind = [one for one in self._rules if id(one) in settled and self._is_before(one, rule)]
            start, goal = self._at(rule), self._at(behind[-1]) + 1 if behind else 0
            yield self._step("move", f"{describe(rule)}: from {start} to {goal}", start, {"moveto": str(goal)})
            del self._rules[start]
            self._rules.insert(goal - (1 if start < goal else 0), rule)
            settled.add(id(rule))

    def _is_before(self, one: Listed, other: Listed) -> bool:
        return self._places[id(one)] < self._places[id(other)]

    def _in_order(self) -> set[int]:
        """The longest run of rules, not necessarily neighbours, whose places ascend."""
        listed = [id(rule) for rule in self._rules if id(rule) in self._places]
        ends: list[int] = []
        holders: list[int] = []
        before: dict[int, int | None] = {}
        for one in listed:
            length = bisect_left(ends, self._places[one])
            before[one] = holders[length - 1] if length else None
            ends[length : length + 1] = [self._places[one]]
            holders[length : length + 1] = [one]
        found: set[int] = set()
        last = holders[-1] if holders else None
        while last is not None:
            found.add(last)
            last = before[last]
        return found

    def _remove(self) -> Iterator[Step]:
        for rule in [rule for rule in reversed(self._rules) if id(rule) not in self._places]:
            position = self._at(rule)
            yield self._step("remove", describe(rule), position)
            del self._rules[position]

    def _at(self, rule: Listed) -> int:
        return next(position for position, one in enumerate(self._rules) if one is rule)

    def _step(
        self,
        verb: Literal["create", "update", "move", "remove"],
        said: str,
        position: int | None,
        fields: dict[str, str] | None = None,
    ) -> Step:
        return Step(verb, said, tuple(self._rules), position, tuple((fields or {}).items()))
