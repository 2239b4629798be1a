"""Connection attempts with real packets, compared with the model. Pure: `tasks/firewall` makes the attempts.

The sender's view alone proves little: on real nodes the refusal of a closed port is lost, so that an allowed port
without a listener and a dropped packet look the same. The receiver is therefore observed too (ADR 25).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from phoenix.pve.firewall.model.evaluate import PacketVerdict

AttemptOutcome = Literal["open", "refused", "dropped", "unreachable", "untried"]
"""What the sender saw; `dropped` is a timeout."""
Judgment = Literal["agrees", "disagrees", "untried"]


@dataclass(frozen=True, order=True)
class Attempt:
    """A connection from one host, by name, to an address of another."""

    source: str
    dest: str
    address: str
    proto: str
    port: int


@dataclass(frozen=True)
class Observed:
    """What the sender of an attempt saw, and whether its packet arrived; None if the receiver was not observed."""

    outcome: AttemptOutcome
    arrived: bool | None = None

    @property
    def passed(self) -> bool | None:
        """Tell whether the packet passed both firewalls; None if that is not known."""
        return True if self.outcome == "open" else self.arrived


@dataclass(frozen=True)
class AttemptResult:
    """An attempt, the verdict that the model expects, and what was observed.

    `refusal_seen` tells whether the sender would see the refusal of a REJECT rule; None if that is not known.
    """

    attempt: Attempt
    expected: PacketVerdict
    observed: Observed
    refusal_seen: bool | None = None

    @property
    def judgment(self) -> Judgment:
        """Compare the observation with the verdict; `untried` without evidence."""
        outcome, passed = self.observed.outcome, self.observed.passed
        if outcome == "untried":
            return "untried"
        if self.expected.action == "ACCEPT":
            return _judge(true=passed, false=passed is False or outcome == "unreachable")
        allowed = self._timeouts_and_refusals()
        return _judge(true=passed is False and outcome in allowed, false=passed or outcome not in allowed)

    def _timeouts_and_refusals(self) -> tuple[AttemptOutcome, ...]:
        """The outcomes that a DROP or REJECT rule gives."""
        if self.expected.action == "DROP":
            return ("dropped",)
        return {True: ("refused",), False: ("dropped",), None: ("refused", "dropped")}[self.refusal_seen]

    def __str__(self) -> str:
        one = self.attempt
        verdict = f"the model says {self.expected.action} by {self.expected.decided_by}"
        connection = f"{one.source} → {one.dest}, {one.port}/{one.proto} at {one.address}"
        arrival = {True: ", and it arrived", False: ", and it did not arrive", None: ""}[self.observed.arrived]
        return f"{connection}: {verdict}, but the outcome is {self.observed.outcome.upper()}{arrival}"


def _judge(*, true: bool | None, false: bool | None) -> Judgment:
    return "agrees" if true else "disagrees" if false else "untried"


def disagreements(results: Iterable[AttemptResult]) -> list[AttemptResult]:
    """The attempts to hosts that respond whose observation contradicts the model."""
    every = tuple(results)
    ignored = unresponsive_hosts(every)
    return [one for one in every if one.judgment == "disagrees" and one.attempt.dest not in ignored]


def unresponsive_hosts(results: Iterable[AttemptResult]) -> set[str]:
    """Hosts from which no attempt could be made and that answered none: they hang or are down."""
    every = tuple(results)
    entered = {one.attempt.source for one in every if one.observed.outcome != "untried"}
    answering = {one.attempt.dest for one in every if one.observed.outcome in ("open", "refused")}
    return {one.attempt.source for one in every} - entered - answering


def untried_from(results: Iterable[AttemptResult]) -> Counter[str]:
    """The number of attempts that could not be made, by their sender."""
    return Counter(one.attempt.source for one in results if one.observed.outcome == "untried")


def unobserved_at(results: Iterable[AttemptResult]) -> Counter[str]:
    """The number of attempts without evidence, by the receiver, which responds but could not be observed."""
    every = tuple(results)
    ignored = unresponsive_hosts(every)
    made = (one for one in every if one.observed.outcome != "untried" and one.attempt.dest not in ignored)
    return Counter(one.attempt.dest for one in made if one.judgment == "untried")
