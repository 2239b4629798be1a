"""A level as it is listed → the writes that bring it to what is wanted, and the level as it will be. Pure.

No write closes what is needed or opens what is forbidden: sets come before the rules that name them, rules before the
policies that rely on them, policies before what goes, and what is switched on comes last.

Source: Proxmox VE API, `…/firewall/{options,rules,aliases,ipset}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal
from urllib.parse import quote

from phoenix.derive.firewall import IpSet, Level
from phoenix.pve.firewall.model.configuration import Entry, Listed, Scope, truth
from phoenix.pve.firewall.plan.rulelist import Policy, Reconciled, Step, reconcile

Kind = Literal["cluster", "node", "guest"]
Verb = Literal["create", "update", "remove"]
USUAL: Mapping[Kind, Mapping[str, str]] = {
    "cluster": {"enable": "0", "policy_in": "DROP", "policy_out": "ACCEPT"},
    "node": {"enable": "1"},
    "guest": {
        "enable": "0", "policy_in": "DROP", "policy_out": "ACCEPT",
        "dhcp": "1", "macfilter": "1", "ipfilter": "0", "ndp": "1", "radv": "0",
    },
}  # fmt: skip
"""What an option means that is not set."""
METHODS: Mapping[Verb, Literal["post", "put", "delete"]] = {"create": "post", "update": "put", "remove": "delete"}


class Phase(IntEnum):
    """When a write takes place, across all levels."""

    SETS = 0
    RULES = 1
    HIDING = 2
    """A guest's own sets and aliases that hide the cluster's of the same name."""
    POLICIES = 3
    REMOVALS = 4
    SWITCH = 5
    MAIN_SWITCH = 6


@dataclass(frozen=True)
class Place:
    """A level: `name` is `cluster` or the host's, `base` its path in the API; a guest's has its id."""

    kind: Kind
    name: str
    base: str
    vmid: int = 0


@dataclass(frozen=True)
class Write:
    """One call of the API, and what to say of it: what becomes of which thing, and why.

    `before` is the list of rules that it relies on, None where it is about no rule.
    """

    place: Place
    phase: Phase
    method: Literal["post", "put", "delete"]
    path: str
    fields: Mapping[str, str]
    thing: str
    verb: Verb
    reason: str = ""
    before: tuple[Listed, ...] | None = None


@dataclass(frozen=True)
class LevelPlan:
    """What is to be done at a level, what it then is, and which of its rules nobody derived."""

    place: Place
    writes: tuple[Write, ...]
    after: Scope
    foreign: tuple[Listed, ...]


def plan_level(place: Place, wanted: Level, seen: Scope, policy: Policy) -> LevelPlan:
    """Find what separates a level from what is wanted there."""
    rules = reconcile(wanted.rules, seen.rules, policy)
    # A guest's own sets and aliases hide the cluster's of the same name, so strangers there are not harmless.
    exclusive = place.kind == "guest" and policy == "remove"
    writes = (
        *(write for ipset in wanted.ipsets for write in _ipset(place, ipset, seen.ipsets.get(ipset.name))),
        *_aliases(place, wanted, seen, exclusive=exclusive),
        *_rules(place, rules),
        *_options(place, wanted.options, seen.options),
        *(_strange_sets(place, seen) if exclusive else ()),
    )
    return LevelPlan(place, writes, _after(wanted, seen, rules, exclusive=exclusive), rules.foreign)


def in_order(plans: Iterable[LevelPlan]) -> list[Write]:
    """The writes of all levels, in the order in which they are safe."""
    return sorted((write for plan in plans for write in plan.writes), key=lambda write: write.phase)


def _after(wanted: Level, seen: Scope, rules: Reconciled, *, exclusive: bool) -> Scope:
    kept = {} if exclusive else dict(seen.ipsets)
    ipsets = kept | {one.name: tuple(_entries(one)) for one in wanted.ipsets}
    aliases = {**({} if exclusive else seen.aliases), **wanted.aliases}
    return Scope({**seen.options, **wanted.options}, rules.after, aliases, ipsets)


def _entries(ipset: IpSet) -> Iterator[Entry]:
    """A set's members, first those that it leaves out: so it never holds them, not even while it is made."""
    yield from (Entry(network, nomatch=True) for network in ipset.except_)
    yield from (Entry(network) for network in ipset.networks)


def _rules(place: Place, rules: Reconciled) -> Iterator[Write]:
    path, title = f"{place.base}/rules", f"firewall of {place.name}"
    for phase, steps in ((Phase.RULES, rules.makes), (Phase.REMOVALS, rules.removals)):
        for step in steps:
            yield _rule(place, phase, path, title, step)


def _rule(place: Place, phase: Phase, path: str, title: str, step: Step) -> Write:
    verb: Verb = "update" if step.verb == "move" else step.verb
    said = f"order of rule {step.said}" if step.verb == "move" else f"rule {step.said}"
    method: Literal["post", "put", "delete"] = METHODS[verb]
    own = path if step.position is None else f"{path}/{step.position}"
    return Write(place, phase, method, own, dict(step.fields), title, verb, said, step.before)


def _options(place: Place, wanted: Mapping[str, str], seen: Mapping[str, object]) -> Iterator[Write]:
    usual = USUAL[place.kind]
    differing = {k: v for k, v in wanted.items() if not same_option(v, seen.get(k, usual.get(k)))}
    switch = Phase.MAIN_SWITCH if place.kind == "cluster" else Phase.SWITCH
    for key, value in differing.items():
        phase = switch if key == "enable" else Phase.POLICIES
        reason = f"{key} is {seen.get(key, 'unset')}, should be {value}"
        title = f"firewall of {place.name}"
        yield Write(place, phase, "put", f"{place.base}/options", {key: value}, title, "update", reason)


def same_option(wanted: str, seen: object) -> bool:
    """Compare an option; switches are spelt in more than one way."""
    return truth(seen) == (wanted == "1") if wanted in ("0", "1") else wanted == str(seen)


def _aliases(place: Place, wanted: Level, seen: Scope, *, exclusive: bool) -> Iterator[Write]:
    path = f"{place.base}/aliases"
    for name, cidr in wanted.aliases.items():
        have, title, fields = seen.aliases.get(name), f"alias {name}", {"cidr": cidr, "comment": "phoenix"}
        if have is None:
            yield Write(place, Phase.SETS, "post", path, {"name": name, **fields}, title, "create", cidr)
        elif have != cidr:
            yield Write(place, Phase.SETS, "put", f"{path}/{name}", fields, title, "update", f"{have} → {cidr}")
    for name in seen.aliases if exclusive else ():
        title = f"alias {name} of {place.name}"
        yield Write(place, Phase.HIDING, "delete", f"{path}/{name}", {}, title, "remove")


def _ipset(place: Place, wanted: IpSet, seen: Sequence[Entry] | None) -> Iterator[Write]:
    title, path = f"set {wanted.name}", f"{place.base}/ipset"
    if seen is None:
        fields = {"name": wanted.name, "comment": "phoenix"}
        yield Write(place, Phase.SETS, "post", path, fields, title, "create")
    have = {entry.cidr: entry.nomatch for entry in seen or ()}
    goal = {entry.cidr: entry.nomatch for entry in _entries(wanted)}
    own = f"{path}/{wanted.name}"
    for cidr, nomatch in goal.items():
        said = f"{'not ' if nomatch else ''}{cidr}"
        if cidr not in have:
            given = {"cidr": cidr, **({"nomatch": "1"} if nomatch else {})}
            yield Write(place, Phase.SETS, "post", own, given, title, "create", said)
        elif have[cidr] != nomatch:
            given = {"nomatch": str(int(nomatch))}
            yield Write(
                place, Phase.SETS, "put", f"{own}/{quote(cidr, safe='')}", given, title, "update", f"should be {said}"
            )
    for cidr in sorted(set(have) - set(goal)):
        yield Write(place, Phase.REMOVALS, "delete", f"{own}/{quote(cidr, safe='')}", {}, title, "remove", cidr)


def _strange_sets(place: Place, seen: Scope) -> Iterator[Write]:
    for name in seen.ipsets:
        title = f"set {name} of {place.name}"
        yield Write(place, Phase.HIDING, "delete", f"{place.base}/ipset/{name}", {"force": "1"}, title, "remove")
