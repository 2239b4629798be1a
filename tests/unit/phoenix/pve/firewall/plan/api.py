"""A simulation of the API calls that change the firewall."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

from phoenix.pve.firewall.model.configuration import IpSetEntry, LevelConfig, ListedRule
from phoenix.pve.firewall.plan.level import FirewallLevel, Write


def after(levels: dict[FirewallLevel, LevelConfig], write: Write) -> dict[FirewallLevel, LevelConfig]:
    """The levels after a write, executed as the API documents it."""
    level = levels[write.level]
    resource, *path = write.path.removeprefix(f"{write.level.base}/").split("/", 2)
    match resource:
        case "options":
            level = replace(level, options={**level.options, **write.fields})
        case "aliases" if write.method == "delete":
            level = replace(level, aliases={k: v for k, v in level.aliases.items() if k != path[0]})
        case "aliases":
            name = write.fields.get("name") or path[0]
            level = replace(level, aliases={**level.aliases, name: write.fields["cidr"]})
        case "ipset":
            level = replace(level, ipsets=_ipsets(dict(level.ipsets), write, path))
        case _:
            level = replace(level, rules=_rules(list(level.rules), write, path))
    return {**levels, write.level: level}


def _ipsets(
    ipsets: dict[str, tuple[IpSetEntry, ...]], write: Write, path: list[str]
) -> dict[str, tuple[IpSetEntry, ...]]:
    if not path:
        return {**ipsets, write.fields["name"]: ()}
    if len(path) == 1 and write.method == "delete":
        return {name: entries for name, entries in ipsets.items() if name != path[0]}
    cidr = write.fields.get("cidr") or unquote(path[1])
    kept = tuple(entry for entry in ipsets[path[0]] if entry.cidr != cidr)
    new = () if write.method == "delete" else (IpSetEntry(cidr, write.fields.get("nomatch") == "1"),)
    return {**ipsets, path[0]: (*kept, *new)}


def _rules(rules: list[ListedRule], write: Write, path: list[str]) -> tuple[ListedRule, ...]:
    if write.method == "post":
        return (dict(write.fields), *rules)
    position = int(path[0])
    if write.method == "delete":
        return (*rules[:position], *rules[position + 1 :])
    if "moveto" in write.fields:
        goal, rule = int(write.fields["moveto"]), rules.pop(position)
        rules.insert(goal - (position < goal), rule)
        return tuple(rules)
    deleted = write.fields.get("delete", "").split(",")
    kept = {key: value for key, value in rules[position].items() if key not in deleted}
    rules[position] = kept | {key: value for key, value in write.fields.items() if key != "delete"}
    return tuple(rules)
