"""The result of a proof: the packets whose verdict differs from the flows, and the rules that Proxmox skips."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.pve.firewall.model.evaluate import Packet, PacketVerdict
from phoenix.pve.firewall.model.listed_rules import SkippedRule
from phoenix.pve.firewall.proof.permissions import Permission


@dataclass(frozen=True)
class Violation:
    """A packet that is accepted and not declared, or declared and not accepted; ends are names, or `outside`."""

    packet: Packet
    verdict: PacketVerdict
    sender: str
    receiver: str
    declared: Permission | None

    def __str__(self) -> str:
        flow = self.declared.flow if self.declared else None
        declared = f"declared ({flow.purpose})" if flow else "declared" if self.declared else "not declared"
        verdict = f"{self.verdict.action}, decided by {self.verdict.decided_by}"
        return f"{self.sender} → {self.receiver}: {self.packet} is {declared}, but the verdict is {verdict}"


@dataclass(frozen=True)
class Proof:
    """What was compared, by number, and the differences."""

    ends: int
    traffic_classes: int
    address_classes: int
    violations: tuple[Violation, ...]
    skipped: tuple[SkippedRule, ...]

    @property
    def holds(self) -> bool:
        """Tell whether the firewall accepts exactly what is declared and Proxmox skips no rule."""
        return not self.violations and not self.skipped
