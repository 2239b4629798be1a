"""Connection attempts with real packets, compared with the model. Pure: `tasks/firewall` makes the attempts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from phoenix.pve.firewall.model.evaluate import PacketVerdict

AttemptOutcome = Literal["open", "refused", "dropped", "unreachable", "untried"]


@dataclass(frozen=True, order=True)
class Attempt:
    """A connection from one host, by name, to an address of another."""

    source: str
    dest: str
    address: str
    proto: str
    port: int


@dataclass(frozen=True)
class AttemptResult:
    """An attempt, the verdict that the model expects, and the observed outcome."""

    attempt: Attempt
    expected: PacketVerdict
    outcome: AttemptOutcome

    @property
    def agrees(self) -> bool:
        """Tell whether the outcome is one that the expected verdict allows.

        A port without a listener refuses as a REJECT rule does. Over UDP, silence does not contradict ACCEPT.
        """
        if self.expected.action == "ACCEPT":
            return self.outcome in ("open", "refused") or (self.attempt.proto == "udp" and self.outcome == "dropped")
        return self.outcome == ("refused" if self.expected.action == "REJECT" else "dropped")

    def __str__(self) -> str:
        one = self.attempt
        verdict = f"the model says {self.expected.action} by {self.expected.decided_by}"
        connection = f"{one.source} → {one.dest}, {one.port}/{one.proto} at {one.address}"
        return f"{connection}: {verdict}, but the outcome is {self.outcome.upper()}"


def disagreements(results: Iterable[AttemptResult]) -> list[AttemptResult]:
    """The attempts that were made, to hosts that respond, and whose outcome disagrees with the model."""
    every = tuple(results)
    ignored = unresponsive_hosts(every)
    return [one for one in every if one.outcome != "untried" and not one.agrees and one.attempt.dest not in ignored]


def unresponsive_hosts(results: Iterable[AttemptResult]) -> set[str]:
    """Hosts from which no attempt could be made and that answered none: they hang or are down."""
    every = tuple(results)
    entered = {one.attempt.source for one in every if one.outcome != "untried"}
    answering = {one.attempt.dest for one in every if one.outcome in ("open", "refused")}
    return {one.attempt.source for one in every} - entered - answering
