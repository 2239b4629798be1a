"""A level as it is listed and as it is derived → its plan. Pure.

Source: Proxmox VE API, `…/firewall/{options,rules,aliases,ipset}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phoenix.derive.firewall import Level
from phoenix.pve.firewall.model.configuration import LevelConfig, parse_bool
from phoenix.pve.firewall.plan.level import (
    FirewallLevel,
    HttpMethod,
    LevelKind,
    LevelPlan,
    Write,
    WritePhase,
    WriteVerb,
)
from phoenix.pve.firewall.plan.rule_list import ForeignRulePolicy, RuleEdit, RuleListPlan, plan_rules
from phoenix.pve.firewall.plan.sets import alias_writes, ipset_entries, ipset_writes, shadow_removals

DEFAULT_OPTIONS: Mapping[LevelKind, Mapping[str, str]] = {
    "cluster": {"enable": "0", "policy_in": "DROP", "policy_out": "ACCEPT"},
    "node": {"enable": "1"},
    "guest": {
        "enable": "0", "policy_in": "DROP", "policy_out": "ACCEPT",
        "dhcp": "1", "macfilter": "1", "ipfilter": "0", "ndp": "1", "radv": "0",
    },
}  # fmt: skip
"""The values of options that are not set."""
METHODS: Mapping[WriteVerb, HttpMethod] = {"create": "post", "update": "put", "remove": "delete"}


def plan_level(level: FirewallLevel, wanted: Level, observed: LevelConfig, policy: ForeignRulePolicy) -> LevelPlan:
    """Find the API calls that turn the observed configuration into the derived one."""
    rules = plan_rules(wanted.rules, observed.rules, policy)
    exclusive = level.kind == "guest" and policy == "remove"
    writes = (
        *(write for ipset in wanted.ipsets for write in ipset_writes(level, ipset, observed.ipsets.get(ipset.name))),
        *alias_writes(level, wanted.aliases, observed),
        *_rule_writes(level, rules),
        *_option_writes(level, wanted.options, observed.options),
        *(shadow_removals(level, observed) if exclusive else ()),
    )
    return LevelPlan(level, writes, _after(wanted, observed, rules, exclusive=exclusive), rules.foreign)


def _after(wanted: Level, observed: LevelConfig, rules: RuleListPlan, *, exclusive: bool) -> LevelConfig:
    kept = {} if exclusive else dict(observed.ipsets)
    ipsets = kept | {ipset.name: tuple(ipset_entries(ipset)) for ipset in wanted.ipsets}
    aliases = {**({} if exclusive else observed.aliases), **wanted.aliases}
    return LevelConfig({**observed.options, **wanted.options}, rules.after, aliases, ipsets)


def _rule_writes(level: FirewallLevel, rules: RuleListPlan) -> Iterator[Write]:
    for phase, edits in ((WritePhase.RULES, rules.edits), (WritePhase.REMOVALS, rules.removals)):
        for edit in edits:
            yield _rule_write(level, phase, edit)


def _rule_write(level: FirewallLevel, phase: WritePhase, edit: RuleEdit) -> Write:
    path, title = f"{level.base}/rules", f"firewall of {level.name}"
    verb: WriteVerb = "update" if edit.verb == "move" else edit.verb
    reason = f"order of rule {edit.description}" if edit.verb == "move" else f"rule {edit.description}"
    own = path if edit.position is None else f"{path}/{edit.position}"
    return Write(level, phase, METHODS[verb], own, dict(edit.fields), title, verb, reason, edit.expected)


def _option_writes(level: FirewallLevel, wanted: Mapping[str, str], observed: Mapping[str, object]) -> Iterator[Write]:
    defaults = DEFAULT_OPTIONS[level.kind]
    differing = {k: v for k, v in wanted.items() if not is_same_option(v, observed.get(k, defaults.get(k)))}
    switch = WritePhase.MAIN_SWITCH if level.kind == "cluster" else WritePhase.SWITCH
    for key, value in differing.items():
        phase = switch if key == "enable" else WritePhase.POLICIES
        reason = f"{key} is {observed.get(key, 'unset')}, should be {value}"
        path, title = f"{level.base}/options", f"firewall of {level.name}"
        yield Write(level, phase, "put", path, {key: value}, title, "update", reason)


def is_same_option(wanted: str, observed: object) -> bool:
    """Compare an option's values; booleans have several spellings."""
    return parse_bool(observed) == (wanted == "1") if wanted in ("0", "1") else wanted == str(observed)
