"""Which rule of a list is which: a derived rule is known by the key in its comment; one without such a key is foreign.

Proxmox gives rules no name of their own, only a position that moves whenever another rule comes or goes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from phoenix.derive.firewall import PREFIX, Rule
from phoenix.pve.firewall.model.configuration import Listed

FIELDS = ("type", "action", "enable", "macro", "proto", "dport", "sport", "source", "dest", "iface", "icmp-type")
"""What a rule means; its log level is the operator's own affair."""
KEY = re.compile(rf"{re.escape(PREFIX)}([0-9a-f]{{8}})\b")


def key_of(rule: Listed) -> str | None:
    """Read the key out of a rule's comment."""
    found = KEY.match(str(rule.get("comment") or "").strip())
    return found.group(1) if found else None


def means(rule: Listed) -> tuple[str, ...]:
    """What a rule means, in a form that can be compared; Proxmox spells macros its own way."""
    return tuple(_value(rule.get(name)) for name in FIELDS)


def comment_of(rule: Listed) -> str:
    """A rule's comment as Proxmox keeps it."""
    return str(rule.get("comment") or "").strip()


def edits(wanted: Rule, seen: Listed) -> dict[str, str]:
    """What to send so that a listed rule becomes a derived one; nothing if it is that already."""
    goal = wanted.parameters
    found = {name: goal[name] for name in FIELDS if name in goal and _value(goal[name]) != _value(seen.get(name))}
    if comment_of(seen) != wanted.comment:
        found["comment"] = wanted.comment
    surplus = [name for name in FIELDS if name not in goal and _value(seen.get(name))]
    return found | ({"delete": ",".join(surplus)} if surplus else {})


def describe(rule: Mapping[str, Any]) -> str:
    """Say a rule in one line, as it would stand in the firewall's file."""
    words = [str(rule.get("type", "")).upper()]
    words.append(f"{rule['macro']}({rule.get('action', '')})" if rule.get("macro") else str(rule.get("action", "")))
    words += [f"{key} {rule[key]}" for key in ("source", "dest", "proto", "dport") if rule.get(key)]
    said = " ".join(words) + ("" if str(rule.get("enable", "0")) == "1" else " (off)")
    return f"{said} ({comment_of(rule)})" if comment_of(rule) else said


def _value(value: object) -> str:
    return "" if value is None else str(value).strip().lower()
