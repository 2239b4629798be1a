"""A small firewall API for tests of plans: options, rules, aliases and sets of each level, in memory.

Source: Proxmox VE API, `…/firewall/{options,rules,aliases,ipset}`: a new rule is inserted at position 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from phoenix.connections.proxmox import ApiError

Listed = dict[str, Any]
TABLES = ("options", "rules", "aliases", "ipset", "groups")


class FirewallApi:
    """The levels by the path of their base; reading creates an empty level. `configs` are guests' own, by path."""

    def __init__(self, configs: Mapping[str, Any]) -> None:
        self.configs = configs
        self.levels: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []

    def level(self, base: str) -> dict[str, Any]:
        """One level, empty at first."""
        empty: dict[str, Any] = {"options": {}, "rules": [], "aliases": {}, "ipset": {}, "groups": {}}
        return self.levels.setdefault(base, empty)

    def get(self, path: str) -> Any:
        """Read a configuration, a table, or the members of a set."""
        if path in self.configs:
            return self.configs[path]
        table, names = self._table(path)
        if isinstance(table, list):
            return [{**rule, "pos": position, "digest": "0"} for position, rule in enumerate(table)]
        if names:
            return list(table[names[0]])
        return table if path.endswith("/options") else _listed(path, table)

    def post(self, path: str, **fields: str) -> None:
        """Create a rule, an alias, a set, or a member of a set."""
        table, names = self._write("post", path)
        if isinstance(table, list):
            table.insert(0, fields)
        elif names:
            table[names[0]].append(fields)
        elif fields["name"] in table:
            raise ApiError(f"{fields['name']} already exists")
        else:
            table[fields["name"]] = [] if path.endswith("/ipset") else fields

    def put(self, path: str, **fields: str) -> None:
        """Change options, a rule, an alias, or a member of a set; `moveto` moves a rule, `delete` unsets fields."""
        table, names = self._write("put", path)
        if isinstance(table, list):
            self._put_rule(table, int(names[0]), fields)
        elif not names:
            table.update(fields)
        elif len(names) == 1:
            table[names[0]].update(fields)
        else:
            next(member for member in table[names[0]] if member["cidr"] == names[1]).update(fields)

    def delete(self, path: str, **_fields: str) -> None:
        """Remove a rule, an alias, a set, or a member of a set."""
        table, names = self._write("delete", path)
        if isinstance(table, list):
            del table[int(names[0])]
        elif len(names) == 1:
            del table[names[0]]
        else:
            table[names[0]][:] = [member for member in table[names[0]] if member["cidr"] != names[1]]

    def _put_rule(self, rules: list[Listed], position: int, fields: dict[str, str]) -> None:
        fields.pop("digest", None)
        if "moveto" in fields:
            goal = int(fields["moveto"])
            rules.insert(goal - (1 if position < goal else 0), rules.pop(position))
            return
        for name in filter(None, fields.pop("delete", "").split(",")):
            rules[position].pop(name, None)
        rules[position].update(fields)

    def _write(self, method: str, path: str) -> tuple[Any, list[str]]:
        self.writes.append(f"{method} {path}")
        return self._table(path)

    def _table(self, path: str) -> tuple[Any, list[str]]:
        base, _, rest = path.partition("/firewall/")
        table, *names = rest.split("/")
        assert table in TABLES, f"{path} is not of the firewall"
        return self.level(f"{base}/firewall")[table], [unquote(name) for name in names]


def _listed(path: str, table: Mapping[str, Any]) -> list[Listed]:
    key = "group" if path.endswith("/groups") else "name"
    return [{key: name, **(value if isinstance(value, dict) else {})} for name, value in table.items()]
