"""Observe a host in one round trip: probes → one shell script → its output → an `Observation`."""

from __future__ import annotations

import shlex
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal

ProbeKind = Literal["stat", "content", "package", "unit", "listing", "command"]
FUNCTIONS = files("phoenix.converge").joinpath("observe.sh").read_text("utf-8")
UNIT_PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")


@dataclass(frozen=True, order=True)
class Probe:
    """One query. `subject` is a path, a package, a unit, a glob pattern, or a name for `command` (POSIX shell)."""

    kind: ProbeKind
    subject: str
    command: str = ""


@dataclass(frozen=True)
class FileStat:
    """The output of stat(1) for a path; `mtime` is in seconds since the epoch, `size` in bytes."""

    type: str
    mode: str
    owner: str
    size: int
    mtime: int


@dataclass(frozen=True)
class UnitState:
    """The state of a unit: LoadState, ActiveState, UnitFileState and NeedDaemonReload of systemd."""

    load: str
    active: str
    file: str
    reload_needed: bool


@dataclass
class Observation:
    """Results by the subjects of the probes. A subject of `probes` that has no result does not exist on the host.

    `at` is the time of the observation, by the controller's clock, in seconds since the epoch.
    """

    probes: set[Probe] = field(default_factory=set)
    stats: dict[str, FileStat] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    units: dict[str, UnitState] = field(default_factory=dict)
    listings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    at: float = 0.0

    def text(self, path: str) -> str | None:
        """The content of a file as text; None if the file does not exist. Bytes that are not UTF-8 are replaced."""
        content = self.contents.get(path)
        return None if content is None else content.decode("utf-8", "replace")


def observe_script(probes: Iterable[Probe]) -> str:
    """Write the script for all probes; it prints one line per result: fields separated by `|`, contents in base64."""
    ordered = sorted(set(probes))
    parts = [FUNCTIONS]
    if stats := _words(ordered, "stat"):
        parts.append(f"stat -c '@stat|%F|%a|%U:%G|%s|%Y|%n' -- {stats} 2>/dev/null")
    if contents := _words(ordered, "content"):
        parts.append(f"print_contents {contents}")
    if packages := _words(ordered, "package"):
        form = "'@package|${db:Status-Status}|${Package}\\n'"
        parts.append(f"dpkg-query -W -f {form} -- {packages} 2>/dev/null")
    if units := _words(ordered, "unit"):
        properties = ",".join(UNIT_PROPERTIES)
        parts.append(f"systemctl show --property={properties} -- {units} 2>/dev/null | sed 's/^/@unit|/'")
    for probe in ordered:
        if probe.kind == "listing":
            parts.append(f"print_listing {shlex.quote(probe.subject)} {probe.subject}")
        if probe.kind == "command":
            quoted = shlex.quote(probe.subject)
            parts.append(f'printf "@command|%s|%s\\n" "$({{ {probe.command}\n}} 2>/dev/null | base64 -w0)" {quoted}')
    return "\n".join((*parts, "true"))


def read_observation(probes: Iterable[Probe], output: str) -> Observation:
    """Parse the output of the script for the probes."""
    seen = Observation(probes=set(probes))
    unit: dict[str, str] = {}
    for line in output.splitlines():
        kind, _, rest = line.partition("|")
        if kind == "@unit":
            key, _, value = rest.partition("=")
            if key:
                unit[key] = value
            if len(unit) == len(UNIT_PROPERTIES):
                seen.units[unit["Id"]] = _unit(unit)
                unit = {}
            continue
        _read_line(seen, kind, rest)
    return seen


def _read_line(seen: Observation, kind: str, rest: str) -> None:
    match kind:
        case "@stat":
            type_, mode, owner, size, mtime, path = rest.split("|", 5)
            seen.stats[path] = FileStat(type_, mode.zfill(4), owner, int(size), int(mtime))
        case "@content":
            encoded, path = rest.split("|", 1)
            seen.contents[path] = b64decode(encoded)
        case "@package":
            status, name = rest.split("|", 1)
            seen.packages[name] = status
        case "@listing":
            pattern, path = rest.split("|", 1)
            seen.listings[pattern] = (*seen.listings.get(pattern, ()), path)
        case "@command":
            encoded, name = rest.split("|", 1)
            seen.outputs[name] = b64decode(encoded).decode("utf-8", "replace")


def _unit(properties: dict[str, str]) -> UnitState:
    load, active, file = (properties[name] for name in ("LoadState", "ActiveState", "UnitFileState"))
    return UnitState(load, active, file, properties["NeedDaemonReload"] == "yes")


def _words(probes: list[Probe], kind: ProbeKind) -> str:
    return " ".join(shlex.quote(probe.subject) for probe in probes if probe.kind == kind)
