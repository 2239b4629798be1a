"""The three files of an inventory as documents, and where in them a key of a host was said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from phoenix.estate.document import Document, Location, read_document
from phoenix.estate.problems import InventoryError, Problem

FILES = ("defaults.yaml", "groups.yaml", "hosts.yaml")


@dataclass(frozen=True)
class Sources:
    """The three documents of an inventory, and where a key of a host was said."""

    defaults: Document
    groups: Document
    hosts: Document

    def problem(self, host: str, path: Location, message: str) -> Problem:
        """Make a problem at a key of a host's data, wherever that key comes from: the host or one of its groups."""
        where = ".".join((host, *map(str, path)))
        key = path[0] if path else None
        if (host, "data", key) not in self.hosts.lines:
            for group in groups_of(self.hosts.data.get(host)):
                if (group, "data", key) in self.groups.lines:
                    where = ".".join((group, *map(str, path)))
                    return self.groups.problem((group, "data", *path), where, message)
        if key == "address":
            return self.hosts.problem((host, "hostname"), where, message)
        location = (host,) if key in (None, "name") else (host, "data", *path)
        return self.hosts.problem(location, where, message)

    def place(self, host: str, path: Location) -> str:
        """Say where a key of a host, or with no host a setting of the estate, was said: `FILE:LINE`."""
        path = tuple(int(key) if isinstance(key, str) and key.isdecimal() else key for key in path)
        if path == ("groups",):
            found = self.hosts.problem((host, *path), "", "")
        else:
            found = self.problem(host, path, "") if host else self.setting(path, "")
        return f"{found.file}:{found.line}"

    def setting(self, path: Location, message: str) -> Problem:
        """Make a problem at a key of the estate-wide settings."""
        return self.defaults.problem(("data", *path), ".".join(map(str, path)), message)


def read_sources(folder: Path) -> Sources:
    """Read the three files, reporting all that cannot be read together."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for name in FILES:
        try:
            documents.append(read_document(folder / name))
        except InventoryError as error:
            problems += error.problems
    if problems:
        raise InventoryError(problems)
    return Sources(*documents)


def groups_of(entry: object) -> tuple[str, ...]:
    """Read the groups of a host's entry, whatever else may be wrong with it."""
    groups = entry.get("groups") if isinstance(entry, dict) else None
    return tuple(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else ()
