"""Identify rules: a derived rule carries a key in its comment; a rule without a key is foreign.

Proxmox gives rules no name, only a position that changes whenever another rule is added or removed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from phoenix.derive.firewall import PREFIX, Rule
from phoenix.pve.firewall.model.configuration import ListedRule

RULE_FIELDS = ("type", "action", "enable", "macro", "proto", "dport", "sport", "source", "dest", "iface", "icmp-type")
"""The fields that decide what a rule does. The log level is left to the operator."""
KEY = re.compile(rf"{re.escape(PREFIX)}([0-9a-f]{{8}})\b")


def key_of(rule: ListedRule) -> str | None:
    """Read the key from a rule's comment; None for a foreign rule."""
    match = KEY.match(str(rule.get("comment") or "").strip())
    return match.group(1) if match else None


def meaning_of(rule: ListedRule) -> tuple[str, ...]:
    """What a rule does, in a form that can be compared: Proxmox changes the case of macros."""
    return tuple(_normalized(rule.get(name)) for name in RULE_FIELDS)


def comment_of(rule: ListedRule) -> str:
    """A rule's comment as Proxmox stores it."""
    return str(rule.get("comment") or "").strip()


def changed_fields(wanted: Rule, observed: ListedRule) -> dict[str, str]:
    """The API parameters that turn a listed rule into a derived one; empty if they are equal."""
    target = wanted.parameters
    fields = {
        name: target[name]
        for name in RULE_FIELDS
        if name in target and _normalized(target[name]) != _normalized(observed.get(name))
    }
    if comment_of(observed) != wanted.comment:
        fields["comment"] = wanted.comment
    surplus = [name for name in RULE_FIELDS if name not in target and _normalized(observed.get(name))]
    return fields | ({"delete": ",".join(surplus)} if surplus else {})


def format_rule(rule: Mapping[str, Any]) -> str:
    """A rule in one line, as in the firewall's configuration file."""
    words = [str(rule.get("type", "")).upper()]
    words.append(f"{rule['macro']}({rule.get('action', '')})" if rule.get("macro") else str(rule.get("action", "")))
    words += [f"{key} {rule[key]}" for key in ("source", "dest", "proto", "dport") if rule.get(key)]
    line = " ".join(words) + ("" if str(rule.get("enable", "0")) == "1" else " (off)")
    return f"{line} ({comment_of(rule)})" if comment_of(rule) else line


def _normalized(value: object) -> str:
    return "" if value is None else str(value).strip().lower()
