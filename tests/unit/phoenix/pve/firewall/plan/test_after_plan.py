"""The proof of the firewall after a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from phoenix.pve.firewall.model.configuration import ListedRule
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.plan.after_plan import PlanContext, firewall_after_plan, prove_after_plan
from tests.support.inventories import example
from tests.unit.phoenix.pve.firewall.plan.levels import FOREIGN, configs, guest_level, plans


@pytest.mark.parametrize(
    ("policy", "rule", "holds"),
    [
        (None, FOREIGN, True),
        ("remove", FOREIGN, True),
        ("report", FOREIGN, False),
        ("keep", FOREIGN, True),
        ("report", {**FOREIGN, "enable": 0}, True),
        ("keep", {**FOREIGN, "action": "DROP"}, True),
        ("report", {**FOREIGN, "dport": ",".join(map(str, range(16)))}, True),
    ],
)
def test_foreign_rules(policy: Any, rule: ListedRule, *, holds: bool) -> None:
    """The proof fails for a foreign rule that stays and accepts something, unless the inventory keeps such rules."""
    estate = example()
    estate = estate.model_copy(update={"settings": estate.settings.model_copy(update={"foreign_rules": policy})})
    observed = configs(firewall_from_estate(estate))
    level = guest_level("traefik")
    observed[level] = replace(observed[level], rules=(rule, *observed[level].rules))
    proof = prove_after_plan(
        estate, firewall_after_plan(estate, plans(observed, policy or "remove"), PlanContext({}, {}, "iptables"))
    )
    assert proof.holds is holds
    if not holds:
        assert "mine" in str(proof.violations[0])
