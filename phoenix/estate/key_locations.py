"""The three files of an inventory as documents, and the location of each key in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from phoenix.estate.document import Document, Location, read_document
from phoenix.estate.problems import InventoryError, Problem

FILES = ("defaults.yaml", "groups.yaml", "hosts.yaml")


@dataclass(frozen=True)
class Sources:
    """The three documents of an inventory, and the location of each key in them."""

    defaults: Document
    groups: Document
    hosts: Document

    def problem(self, host: str, path: Location, message: str) -> Problem:
        """Create a problem at a key of a host's data, in the entry that sets it: the host's or one of its groups'."""
        key = path[0] if path else None
        if key == "address":
            return self.hosts.problem((host, "hostname"), f"{host}.hostname", message)
        where = ".".join((host, *map(str, path)))
        if (host, "data", key) not in self.hosts.lines:
            for group in groups_of(self.hosts.data.get(host)):
                if (group, "data", key) in self.groups.lines:
                    where = ".".join((group, *map(str, path)))
                    return self.groups.problem((group, "data", *path), where, message)
        location = (host,) if key in (None, "name") else (host, "data", *path)
        return self.hosts.problem(location, where, message)

    def place(self, host: str, path: Location) -> str:
        """Locate a key of a host, or with no host a setting of the estate, as `FILE:LINE`."""
        path = tuple(int(key) if isinstance(key, str) and key.isdecimal() else key for key in path)
        if path == ("groups",):
            location = self.hosts.problem((host, *path), "", "")
        else:
            location = self.problem(host, path, "") if host else self.setting(path, "")
        return f"{location.file}:{location.line}"

    def setting(self, path: Location, message: str) -> Problem:
        """Create a problem at a key of the estate-wide settings."""
        return self.defaults.problem(("data", *path), ".".join(map(str, path)), message)


def read_sources(folder: Path) -> Sources:
    """Read the three files; InventoryError lists the mistakes of all that cannot be read."""
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
    """Read the groups of a host's entry, even if other parts of the entry are not valid."""
    groups = entry.get("groups") if isinstance(entry, dict) else None
    return tuple(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else ()
