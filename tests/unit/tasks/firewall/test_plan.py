"""A run stops before it applies a firewall whose proof fails."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from phoenix.errors import TaskFailedError
from phoenix.pve.firewall.model.configuration import IpSetEntry
from phoenix.pve.firewall.model.from_estate import firewall_from_estate
from phoenix.pve.firewall.proof.prove import prove
from phoenix.tasks.firewall.plan import SHOWN, check_proof, some
from tests.support.inventories import example
from tests.support.places import ROOT


def test_a_violation_names_packet_rule_and_line() -> None:
    """A declared connection that would be closed is reported with packet, deciding rule and line of the inventory."""
    firewall = firewall_from_estate(example())
    black = {**firewall.cluster.ipsets, "blacklist": (IpSetEntry("10.0.0.12"),)}
    proof = prove(example(), replace(firewall, cluster=replace(firewall.cluster, ipsets=black)))
    run: Any = SimpleNamespace(inventory=ROOT / "inventory")
    with pytest.raises(TaskFailedError) as raised:
        check_proof(run, proof)
    text = str(raised.value)
    assert "so it was not applied" in text
    assert "from 10.0.0.12 to" in text
    assert "set blacklist" in text
    assert "inventory/" in text
    assert f"and {len(proof.violations) - SHOWN} more" in text


def test_a_firewall_that_holds() -> None:
    """A firewall whose proof holds raises no error."""
    run: Any = SimpleNamespace(inventory=None)
    check_proof(run, prove(example(), firewall_from_estate(example())))


def test_some() -> None:
    """A few messages are joined; of more, the number of the others is given."""
    assert some(["a", "b"]) == "a; b"
    assert some([*"abcdefg"]) == "a; b; c; d; e; and 2 more"
