"""The plan of one level as values: the level, its API calls with their phases, and the configuration after them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from phoenix.pve.firewall.model.configuration import LevelConfig, ListedRule

LevelKind = Literal["cluster", "node", "guest"]
WriteVerb = Literal["create", "update", "remove"]
HttpMethod = Literal["post", "put", "delete"]


class WritePhase(IntEnum):
    """The order of API calls across all levels, in which no call closes what is needed or opens what is forbidden.

    Sets come before the rules that name them, rules before the policies that rely on them, policies before removals,
    and switches last.
    """

    SETS = 0
    RULES = 1
    SHADOWS = 2
    """A guest's own sets and aliases that shadow the cluster's of the same name."""
    POLICIES = 3
    REMOVALS = 4
    SWITCH = 5
    MAIN_SWITCH = 6


@dataclass(frozen=True)
class FirewallLevel:
    """A level: `name` is `cluster` or the host's, `base` its path in the API, `vmid` the id if it is a guest's."""

    kind: LevelKind
    name: str
    base: str
    vmid: int = 0


@dataclass(frozen=True)
class Write:
    """One API call and its description for the report: the resource's title, the verb and the reason.

    `expected` is the list of rules at the time of the call, None if the call is not about a rule.
    """

    level: FirewallLevel
    phase: WritePhase
    method: HttpMethod
    path: str
    fields: Mapping[str, str]
    title: str
    verb: WriteVerb
    reason: str = ""
    expected: tuple[ListedRule, ...] | None = None


@dataclass(frozen=True)
class LevelPlan:
    """The API calls of a level, its configuration after them, and its foreign rules."""

    level: FirewallLevel
    writes: tuple[Write, ...]
    after: LevelConfig
    foreign: tuple[ListedRule, ...]


def in_order(plans: Iterable[LevelPlan]) -> list[Write]:
    """The API calls of all levels, by phase."""
    return sorted((write for plan in plans for write in plan.writes), key=lambda write: write.phase)
