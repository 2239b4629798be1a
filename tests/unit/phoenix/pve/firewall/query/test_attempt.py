"""Observations of connection attempts, compared with the model's verdicts."""

from __future__ import annotations

import pytest

from phoenix.pve.firewall.model.evaluate import PacketVerdict
from phoenix.pve.firewall.model.match import RuleAction
from phoenix.pve.firewall.query.attempt import (
    Attempt,
    AttemptOutcome,
    AttemptResult,
    Judgment,
    Observed,
    disagreements,
    unresponsive_hosts,
)
from phoenix.pve.nics import UndeclaredNic
from phoenix.report.matrix import as_text

YES, NO, UNKNOWN = True, False, None


def result(
    expected: RuleAction, outcome: AttemptOutcome, *, arrived: bool | None, seen: bool | None = None
) -> AttemptResult:
    """An attempt from a to b with its observation."""
    attempt = Attempt("a", "b", "10.0.0.2", "tcp", 80)
    return AttemptResult(attempt, PacketVerdict(expected), Observed(outcome, arrived), seen)


@pytest.mark.parametrize(
    ("expected", "outcome", "arrived", "judgment"),
    [
        ("ACCEPT", "open", YES, "agrees"),
        ("ACCEPT", "open", UNKNOWN, "agrees"),
        ("ACCEPT", "open", NO, "agrees"),  # a program of the receiver answered
        ("ACCEPT", "dropped", YES, "agrees"),  # nothing listens, and the refusal is lost
        ("ACCEPT", "refused", YES, "agrees"),
        ("ACCEPT", "unreachable", YES, "agrees"),  # the receiver's own filter refuses it
        ("ACCEPT", "dropped", NO, "disagrees"),
        ("ACCEPT", "refused", NO, "disagrees"),
        ("ACCEPT", "unreachable", NO, "disagrees"),
        ("ACCEPT", "unreachable", UNKNOWN, "disagrees"),
        ("ACCEPT", "dropped", UNKNOWN, "untried"),  # dropped, or nothing listens
        ("ACCEPT", "refused", UNKNOWN, "untried"),  # nothing listens, or a rule rejects it
        ("ACCEPT", "untried", NO, "untried"),
        ("DROP", "dropped", NO, "agrees"),
        ("DROP", "dropped", YES, "disagrees"),
        ("DROP", "dropped", UNKNOWN, "untried"),
        ("DROP", "open", NO, "disagrees"),
        ("DROP", "refused", NO, "disagrees"),
        ("DROP", "refused", UNKNOWN, "disagrees"),
        ("DROP", "untried", UNKNOWN, "untried"),
    ],
)
def test_judgment(expected: RuleAction, outcome: AttemptOutcome, *, arrived: bool | None, judgment: Judgment) -> None:
    """An observation is judged by this table: what the sender saw and whether its packet arrived."""
    one = result(expected, outcome, arrived=arrived)
    assert one.judgment == judgment
    assert bool(disagreements([one])) is (judgment == "disagrees")
    text = as_text([one])
    assert ("the model says" in text) is (judgment == "disagrees")
    assert ("could not be made" in text) is (outcome == "untried")
    assert ("prove nothing" in text) is (judgment == "untried" and outcome != "untried")
    assert f"untried: {int(judgment == 'untried')};" in text


@pytest.mark.parametrize(
    ("seen", "outcome", "arrived", "judgment"),
    [
        (YES, "refused", NO, "agrees"),
        (YES, "dropped", NO, "disagrees"),
        (YES, "refused", YES, "disagrees"),
        (YES, "refused", UNKNOWN, "untried"),
        (NO, "dropped", NO, "agrees"),
        (NO, "refused", NO, "disagrees"),
        (UNKNOWN, "refused", NO, "agrees"),
        (UNKNOWN, "dropped", NO, "agrees"),
        (UNKNOWN, "open", NO, "disagrees"),
    ],
)
def test_rejected(outcome: AttemptOutcome, *, seen: bool | None, arrived: bool | None, judgment: Judgment) -> None:
    """A rejected attempt is refused where the sender can see that, and times out elsewhere."""
    assert result("REJECT", outcome, arrived=arrived, seen=seen).judgment == judgment


def test_message_of_a_disagreement() -> None:
    """A disagreement says what the sender saw and whether the packet arrived."""
    text = str(result("DROP", "dropped", arrived=True))
    assert text.endswith(" DROP by no rule, since no chain filters it, but the outcome is DROPPED, and it arrived")


def test_unresponsive_host() -> None:
    """Attempts to a host that hangs are ignored; a host that answers any attempt does not hang."""

    def one(
        source: str, dest: str, outcome: AttemptOutcome, port: int = 80, *, arrived: bool | None = NO
    ) -> AttemptResult:
        attempt = Attempt(source, dest, "10.0.0.2", "tcp", port)
        return AttemptResult(attempt, PacketVerdict("ACCEPT"), Observed(outcome, arrived=arrived))

    hanging = [one("a", "b", "dropped"), one("b", "a", "untried")]
    assert (unresponsive_hosts(hanging), disagreements(hanging)) == ({"b"}, [])
    assert "b: 1 attempts could not be made from this host; the host is unresponsive" in as_text(hanging)
    unobserved = [one("a", "b", "dropped", arrived=UNKNOWN), hanging[1]]
    assert "prove nothing" not in as_text(unobserved)
    assert "b: 1 attempts to this host prove nothing" in as_text([*unobserved, one("c", "b", "open", 81)])
    for answered in (one("c", "b", "open", 81), one("b", "c", "refused")):
        assert str(hanging[0].attempt) in [str(two.attempt) for two in disagreements([*hanging, answered])]


def test_undeclared_interfaces() -> None:
    """An interface that the inventory does not declare is named with its guest."""
    text = as_text([], {"wiki": (UndeclaredNic("net1", "vmbr1", is_filtered=False),)})
    problem = (
        "wiki: net1 at vmbr1 is not in the inventory; it is not filtered and was not tried: remove it from the guest"
    )
    assert text.startswith(f"{problem}\n")
