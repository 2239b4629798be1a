"""Rules are identified by the key in their comment."""

from __future__ import annotations

from typing import Any

import pytest

from phoenix.derive.firewall import Rule
from phoenix.pve.firewall.plan.identity import format_rule, key_of

RULE = Rule("in", "tcp", "80", "10.0.0.1", "", "web")
FOREIGN = {"type": "in", "action": "ACCEPT", "enable": 1, "proto": "tcp", "dport": "22", "comment": "mine"}


@pytest.mark.parametrize(
    ("comment", "key"),
    [
        (RULE.comment, RULE.key),
        (f"  {RULE.comment}", RULE.key),
        ("phoenix:0123abcd", "0123abcd"),
        ("phoenix:0123abcde", None),
        ("phoenix:0123ABCD", None),
        ("my phoenix:0123abcd", None),
        ("", None),
    ],
)
def test_key_of(comment: str, key: str | None) -> None:
    """A key is read only from a comment that Phoenix wrote."""
    assert key_of({"comment": comment}) == key


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (FOREIGN, "IN ACCEPT proto tcp dport 22 (mine)"),
        ({**FOREIGN, "enable": 0, "comment": ""}, "IN ACCEPT proto tcp dport 22 (off)"),
        ({"type": "out", "action": "DROP", "macro": "Ping", "enable": 1, "dest": "+x"}, "OUT Ping(DROP) dest +x"),
    ],
)
def test_format_rule(rule: dict[str, Any], text: str) -> None:
    """A rule is written as in the firewall's configuration file."""
    assert format_rule(rule) == text
