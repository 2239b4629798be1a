"""Firewall rules as Proxmox lists them against those derived: what to add, switch on and delete.

A rule of ours is known by the key in its comment; one without is foreign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from phoenix.derive.firewall import PREFIX, Rule

FIELDS = (
    "type",
    "action",
    "enable",
    "macro",
    "proto",
    "dport",
    "sport",
    "source",
    "dest",
    "iface",
    "icmp-type",
)


@dataclass(frozen=True)
class RuleChanges:
    """What separates a list of rules from the derived ones; positions are those of the list that was read."""

    add: tuple[Rule, ...]
    delete: tuple[tuple[int, str], ...]

    def __bool__(self) -> bool:
        return bool(self.add or self.delete)


def compare_rules(wanted: Iterable[Rule], seen: Iterable[Mapping[str, Any]]) -> RuleChanges:
    """Find rules that are missing, and rules that nobody derived, were edited, or stand there twice."""
    missing = {rule.key: rule for rule in wanted}
    delete = []
    for rule in seen:
        key = key_of(str(rule.get("comment", "")))
        ours = missing.get(key or "")
        if ours is not None and _same(ours, rule):
            del missing[ours.key]
        else:
            delete.append((int(rule["pos"]), describe(rule)))
    return RuleChanges(tuple(missing.values()), tuple(sorted(delete, reverse=True)))


def key_of(comment: str) -> str | None:
    """Read the key out of a comment."""
    found = re.match(rf"{re.escape(PREFIX)}([0-9a-f]{{8}})\b", comment.strip())
    return found.group(1) if found else None


def describe(rule: Mapping[str, Any]) -> str:
    """Say a rule in one line, as it would stand in the firewall's file."""
    words = [str(rule.get("type", "")).upper()]
    words.append(f"{rule['macro']}({rule.get('action', '')})" if rule.get("macro") else str(rule.get("action", "")))
    words += [f"{key} {rule[key]}" for key in ("source", "dest", "proto", "dport") if rule.get(key)]
    return " ".join(words) + ("" if str(rule.get("enable", "0")) == "1" else " (off)")


def _same(ours: Rule, theirs: Mapping[str, Any]) -> bool:
    wanted = ours.parameters
    return (
        all(_value(wanted.get(field, "")) == _value(theirs.get(field, "")) for field in FIELDS)
        and wanted["comment"].strip() == str(theirs.get("comment", "")).strip()
    )


def _value(value: object) -> str:
    return str(value).strip().lower()
