"""How rules that the inventory does not derive are handled, by level. Pure.

The rules of a guest are those of the estate that created it. A cluster and its nodes have other owners too: their rules
stay unless the inventory says otherwise.
"""

from __future__ import annotations

from phoenix.estate import Settings
from phoenix.pve.firewall.plan.level import LevelKind
from phoenix.pve.firewall.plan.rule_list import ForeignRulePolicy


def policy_at(settings: Settings, level: LevelKind) -> ForeignRulePolicy:
    """What happens to the foreign rules of a level."""
    return settings.foreign_rules or ("remove" if level == "guest" else "report")


def is_tolerated(settings: Settings, level: LevelKind) -> bool:
    """Report whether what foreign rules of a level accept counts as intended."""
    return policy_at(settings, level) == "keep" or (settings.foreign_rules is None and level != "guest")
