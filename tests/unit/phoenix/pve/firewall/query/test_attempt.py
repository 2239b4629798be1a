"""Outcomes of connection attempts, compared with the model's verdicts."""

from __future__ import annotations

import pytest

from phoenix.pve.firewall.model.evaluate import PacketVerdict
from phoenix.pve.firewall.model.match import RuleAction
from phoenix.pve.firewall.query.attempt import (
    Attempt,
    AttemptOutcome,
    AttemptResult,
    disagreements,
    unresponsive_hosts,
)
from phoenix.report.matrix import as_text


@pytest.mark.parametrize(
    ("proto", "expected", "outcome", "disagrees"),
    [
        ("tcp", "ACCEPT", "open", False),
        ("tcp", "ACCEPT", "refused", False),
        ("tcp", "ACCEPT", "dropped", True),
        ("tcp", "ACCEPT", "unreachable", True),
        ("tcp", "ACCEPT", "untried", False),
        ("tcp", "DROP", "dropped", False),
        ("tcp", "DROP", "refused", True),
        ("tcp", "DROP", "open", True),
        ("tcp", "REJECT", "refused", False),
        ("tcp", "REJECT", "dropped", True),
        ("udp", "ACCEPT", "dropped", False),
        ("udp", "ACCEPT", "open", False),
        ("udp", "DROP", "dropped", False),
        ("udp", "DROP", "refused", True),
    ],
)
def test_outcomes(proto: str, expected: RuleAction, outcome: AttemptOutcome, *, disagrees: bool) -> None:
    """An outcome disagrees with the model by this table; over UDP, silence does not contradict ACCEPT."""
    result = AttemptResult(Attempt("a", "b", "10.0.0.2", proto, 80), PacketVerdict(expected), outcome)
    assert bool(disagreements([result])) is disagrees
    text = as_text([result])
    assert ("the model says" in text) is disagrees
    assert ("could not be made" in text) is (outcome == "untried")


def test_unresponsive_host() -> None:
    """Attempts to a host that hangs are ignored; a host that answers any attempt does not hang."""

    def one(source: str, dest: str, outcome: AttemptOutcome, port: int = 80) -> AttemptResult:
        return AttemptResult(Attempt(source, dest, "10.0.0.2", "tcp", port), PacketVerdict("ACCEPT"), outcome)

    hanging = [one("a", "b", "dropped"), one("b", "a", "untried")]
    assert (unresponsive_hosts(hanging), disagreements(hanging)) == ({"b"}, [])
    assert "b: 1 attempts could not be made from this host; the host is unresponsive" in as_text(hanging)
    for answered in (one("c", "b", "open", 81), one("b", "c", "refused")):
        assert [str(two.attempt) for two in disagreements([*hanging, answered])] == [str(hanging[0].attempt)]
