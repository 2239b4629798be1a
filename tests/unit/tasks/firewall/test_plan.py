"""What a run says of a firewall that would not do what the inventory says."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from phoenix.errors import TaskFailedError
from phoenix.pve.firewall.model.configuration import Entry
from phoenix.pve.firewall.model.from_estate import derived_firewall
from phoenix.pve.firewall.proof.prove import prove
from phoenix.tasks.firewall.plan import SHOWN, check_proof, some
from tests.support.inventories import example
from tests.support.places import ROOT


def test_a_violation_names_packet_rule_and_line() -> None:
    """What is declared and closed is told with the packet, what closes it, and the line of the inventory."""
    firewall = derived_firewall(example())
    black = {**firewall.cluster.ipsets, "blacklist": (Entry("10.0.0.12"),)}
    proof = prove(example(), replace(firewall, cluster=replace(firewall.cluster, ipsets=black)))
    run: Any = SimpleNamespace(inventory=ROOT / "inventory")
    with pytest.raises(TaskFailedError) as told:
        check_proof(run, proof)
    text = str(told.value)
    assert "nothing of it was applied" in text
    assert "from 10.0.0.12 to" in text
    assert "set blacklist" in text
    assert "inventory/" in text
    assert f"and {len(proof.violations) - SHOWN} more" in text


def test_a_firewall_that_holds() -> None:
    """Nothing is said of one that does."""
    run: Any = SimpleNamespace(inventory=None)
    check_proof(run, prove(example(), derived_firewall(example())))


def test_few_are_all_said() -> None:
    """Only what is left out is counted."""
    assert some(["a", "b"]) == "a; b"
    assert some([*"abcdefg"]) == "a; b; c; d; e; and 2 more"
