"""The rules that a level lists → chain rules, with security groups expanded; rules that Proxmox skips are collected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from phoenix.pve.firewall.model.compile import compile_matches, is_for_nic
from phoenix.pve.firewall.model.configuration import Firewall, FirewallNic, ListedRule, TrafficDirection, parse_bool
from phoenix.pve.firewall.model.lookup import AddressLookup, SkippedRuleError
from phoenix.pve.firewall.model.match import ChainRule, LevelId, RuleMatch, RuleOrigin


@dataclass(frozen=True)
class SkippedRule:
    """A rule that Proxmox ignores, and why."""

    origin: RuleOrigin
    reason: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason}"


@dataclass(frozen=True)
class RuleCompiler:
    """Compiles the rules of one level for one direction, of a guest for one interface; adds to `skipped`."""

    firewall: Firewall
    level: LevelId
    direction: TrafficDirection
    lookup: AddressLookup
    skipped: dict[SkippedRule, None]
    nic: FirewallNic | None = None

    def compile(self, rules: tuple[ListedRule, ...]) -> Iterator[ChainRule]:
        """Compile the enabled rules of a list, in its order."""
        for position, rule in enumerate(rules):
            if parse_bool(rule.get("enable")):
                origin = RuleOrigin(self.level, position, comment=str(rule.get("comment") or "").strip())
                yield from self._rule(origin, rule, self.nic)

    def _rule(self, origin: RuleOrigin, rule: ListedRule, nic: FirewallNic | None) -> Iterator[ChainRule]:
        try:
            if nic and not is_for_nic(rule, nic.index):
                return
            if rule["type"] == "group":
                yield from self._group(origin, str(rule["action"]))
            elif rule["type"] == self.direction:
                yield from (self._chain_rule(origin, rule, match) for match in compile_matches(rule, self.lookup))
        except SkippedRuleError as error:
            self.skipped[SkippedRule(origin, str(error))] = None

    def _group(self, origin: RuleOrigin, name: str) -> Iterator[ChainRule]:
        group = self.firewall.groups.get(name)
        if group is None:
            raise SkippedRuleError(f"there is no security group '{name}'; Proxmox treats it as empty")
        for position, rule in enumerate(group):
            inner = RuleOrigin(origin.level, origin.position, f"rule {position} of group {name}", origin.comment)
            if parse_bool(rule.get("enable")) and rule["type"] == self.direction:
                yield from self._rule(inner, rule, None)

    def _chain_rule(self, origin: RuleOrigin, rule: ListedRule, match: RuleMatch) -> ChainRule:
        """Build a chain rule; the nftables backend turns a guest's inbound REJECT into DROP."""
        action, is_guest = rule["action"], isinstance(self.level, int)
        drops = self.firewall.backend == "nftables" and action == "REJECT" and is_guest and self.direction == "in"
        return ChainRule(match, "DROP" if drops else action, origin)
