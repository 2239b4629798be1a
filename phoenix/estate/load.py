"""The three files of a Nornir inventory → an `Estate`, or an error with every mistake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from phoenix.estate.checks import contradictions
from phoenix.estate.document import Document, Location
from phoenix.estate.key_locations import FILES, Sources, groups_of, read_sources
from phoenix.estate.model import Estate, Guest, Host, Hypervisor, Settings, Strict, Template
from phoenix.estate.problems import InventoryError, Problem, nearest, unknown_key
from phoenix.estate.validation_messages import explain

HOST_KEYS = ("hostname", "groups", "data")
KINDS = ("hypervisor", "lxc", "vm")
RESERVED = {
    "any": "every address",
    "lan": "the estate's network",
    "management": "the management networks",
    "internet": "every address outside the estate",
    "upstream": "the upstream name servers",
}
"""Words that name an end of a flow and are therefore not available as names of hosts or groups."""
M = TypeVar("M", bound=Strict)


@dataclass
class _Draft:
    """The sources of an inventory and the problems that the loader has found in them."""

    sources: Sources
    problems: list[Problem] = field(default_factory=list)

    def build(self, model: type[M], data: Mapping[str, Any], place: Any, injected: tuple[str, ...] = ()) -> M | None:
        try:
            return model.model_validate_json(json.dumps(data, default=str), strict=True)
        except ValidationError as error:
            for path, message in explain(error, model, injected):
                self.problems.append(place(path, message))
        return None


def load_estate(directory: Path | str) -> Estate:
    """Load an inventory directory; InventoryError lists every mistake in it."""
    folder = Path(directory)
    if not folder.is_dir():
        raise InventoryError([Problem(str(folder), 0, "", "is not a directory; name one with --inventory DIR")])
    return _load(folder.resolve(), folder, tuple(_stamp(folder / name) for name in FILES))


def _stamp(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


@lru_cache(maxsize=4)
def _load(_resolved: Path, folder: Path, _stamps: tuple[str, ...]) -> Estate:
    draft = _Draft(read_sources(folder))
    settings = _settings(draft)
    _check_names(draft)
    hosts = [host for name in draft.sources.hosts.data if (host := _host(draft, name))]
    _check_groups_document(draft)
    if settings is not None:
        estate = Estate(
            settings=settings,
            hypervisors=tuple(h for h in hosts if isinstance(h, Hypervisor)),
            guests=tuple(h for h in hosts if isinstance(h, Guest)),
            templates=tuple(h for h in hosts if isinstance(h, Template)),
        )
        broken = set(draft.sources.hosts.data) - {host.name for host in hosts}
        draft.problems += contradictions(estate, draft.sources, broken)
        if not draft.problems:
            return estate
    raise InventoryError(draft.problems)


def _settings(draft: _Draft) -> Settings | None:
    document = draft.sources.defaults
    _only(draft, document, (), document.data, ("data",))
    data = document.data.get("data")
    if not isinstance(data, dict):
        draft.problems.append(document.problem(("data",), "data", "must be a mapping with the settings of the estate"))
        return None
    return draft.build(Settings, data, draft.sources.setting)


def _host(draft: _Draft, name: str) -> Host | None:
    document = draft.sources.hosts
    entry = document.data[name]
    if not isinstance(entry, dict):
        draft.problems.append(document.problem((name,), name, "must be a mapping with hostname, groups and data"))
        return None
    _only(draft, document, (name,), entry, HOST_KEYS)
    kind = _kind(draft, name, entry)
    if kind is None or not _own_data(draft, name, entry):
        return None
    data = _merged(draft.sources, entry)
    data |= {"name": name, "groups": list(groups_of(entry))}
    injected: tuple[str, ...] = ("name", "groups", "kind", "address")
    if "hostname" in entry:
        data["address"] = entry["hostname"]
    model: type[Host] = Hypervisor
    if kind != "hypervisor":
        data["kind"] = kind
        hypervisors = [host for host, other in document.data.items() if "hypervisor" in groups_of(other)]
        if len(hypervisors) < 2:  # noqa: PLR2004  # without a hypervisor, only its absence is reported
            data.setdefault("hypervisor", *(hypervisors or ["none"]))
        model = Template if "template" in data["groups"] else Guest

    def place(path: Location, message: str) -> Problem:
        return draft.sources.problem(name, path, message)

    return draft.build(model, data, place, injected)


def _own_data(draft: _Draft, name: str, entry: Mapping[str, Any]) -> bool:
    return _is_mapping(draft, draft.sources.hosts, name, entry)


def _is_mapping(draft: _Draft, document: Document, name: str, entry: Mapping[str, Any]) -> bool:
    if isinstance(entry.get("data"), dict | None):
        return True
    message = "must be a mapping of keys to values; omit it if it has no keys"
    draft.problems.append(document.problem((name, "data"), f"{name}.data", message))
    return False


def _kind(draft: _Draft, name: str, entry: Mapping[str, Any]) -> str | None:
    document, groups = draft.sources.hosts, entry.get("groups")
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        message = f"must be a list of groups that contains one of {', '.join(KINDS)}"
        draft.problems.append(document.problem((name, "groups"), f"{name}.groups", message))
        return None
    for index, group in enumerate(groups):
        if group not in draft.sources.groups.data:
            message = f"unknown group {group!r}; {nearest(group, draft.sources.groups.data)}"
            draft.problems.append(document.problem((name, "groups", index), f"{name}.groups", message))
    kinds = [kind for kind in KINDS if kind in groups]
    if len(kinds) != 1:
        actual = "none of them" if not kinds else " and ".join(kinds)
        message = f"a host must be in exactly one of {', '.join(KINDS)}; this host is in {actual}"
        draft.problems.append(document.problem((name, "groups"), f"{name}.groups", message))
        return None
    return kinds[0]


def _only(draft: _Draft, document: Document, path: Location, entry: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in entry:
        if key in known:
            continue
        where = ".".join(map(str, (*path, key)))
        draft.problems.append(document.problem((*path, key), where, unknown_key(key, known, connects=True)))


def _check_names(draft: _Draft) -> None:
    hosts, groups = draft.sources.hosts, draft.sources.groups
    for document in (hosts, groups):
        for name in document.data:
            if name in RESERVED:
                message = f"{name!r} is reserved for {RESERVED[name]}; choose another name"
                draft.problems.append(document.problem((name,), name, message))
    for name in hosts.data:
        others = [other for other, entry in hosts.data.items() if name in groups_of(entry) and other != name]
        if others:
            message = f"is also a group of {', '.join(others)}: rename the host or the group"
            draft.problems.append(hosts.problem((name,), name, message))


def _check_groups_document(draft: _Draft) -> None:
    document = draft.sources.groups
    known = set(Hypervisor.model_fields) | set(Guest.model_fields) | set(Template.model_fields)
    known -= {"name", "groups", "kind", "address"}
    used = {group for entry in draft.sources.hosts.data.values() for group in groups_of(entry)}
    for name, entry in document.data.items():
        if not isinstance(entry, dict):
            draft.problems.append(document.problem((name,), name, "must be a mapping; write {} if it has no data"))
            continue
        _only(draft, document, (name,), entry, ("data",))
        if _is_mapping(draft, document, name, entry) and name not in used:
            for key in entry.get("data") or {}:
                if key not in known:
                    problem = document.problem((name, "data", key), f"{name}.{key}", unknown_key(key, known))
                    draft.problems.append(problem)


def _merged(sources: Sources, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Merge as Nornir does: the host's own keys take precedence, then its groups in order."""
    merged: dict[str, Any] = dict(entry.get("data") or {})
    for group in groups_of(entry):
        settings = sources.groups.data.get(group)
        data = settings.get("data") if isinstance(settings, dict) else None
        for key, value in (data or {}).items() if isinstance(data, dict) else ():
            merged.setdefault(key, value)
    return {key: value for key, value in merged.items() if value is not None}
