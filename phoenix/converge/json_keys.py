"""Keys of a JSON file that others write, too: Phoenix sets its own keys, and removes only those that it set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phoenix.converge.change import Change, Verb, text_diff
from phoenix.converge.files import write_script
from phoenix.converge.observe import FileStat, Observation, Probe
from phoenix.errors import TaskFailedError


@dataclass(frozen=True)
class JsonKeys:
    """Keys of the JSON object in a file of root; other keys stay. `record` is a file with the keys that Phoenix set."""

    path: str
    values: Mapping[str, Any]
    record: str

    def probes(self) -> tuple[Probe, ...]:
        """Query the file, and which keys Phoenix set."""
        return (Probe("stat", self.path), Probe("content", self.path), Probe("content", self.record))

    def changes(self, seen: Observation) -> tuple[Change, ...]:
        """Set keys that differ, remove keys that Phoenix set and no longer needs; TaskFailedError for invalid JSON."""
        stat, text = seen.stats.get(self.path), seen.text(self.path)
        if stat and not stat.type.startswith("regular"):
            raise TaskFailedError(f"{self.path} is a {stat.type}, and should be a file: move it away")
        have, recorded = self._read(text), self._recorded(seen)
        kept = {key: value for key, value in have.items() if key in self.values or key not in recorded}
        want = {**kept, **self.values}
        owner, mode = _safe(stat)
        if want == have and stat and (stat.owner, stat.mode) == (owner, mode):
            return ()
        after = text if want == have and text else json.dumps(want, indent=2) + "\n"
        script = write_script(self.path, after, owner, mode)
        verb: Verb = "update" if stat else "create"
        reason = self._reason(have, want) if stat else ""
        keys = json.dumps(sorted(self._set_by_us(have, recorded))) + "\n"
        note = write_script(self.record, keys, "root:root", "0644")
        return (
            Change(f"file {self.path}", verb, reason, text_diff(self.path, text, after), script),
            Change(f"file {self.record}", "update", script=note, guard=True),
        )

    def _read(self, text: str | None) -> dict[str, Any]:
        try:
            have = json.loads(text) if text and text.strip() else {}
        except ValueError as error:
            raise TaskFailedError(self._refusal(f"is not valid JSON ({error})")) from None
        if not isinstance(have, dict):
            raise TaskFailedError(self._refusal("is not a JSON object"))
        return have

    def _refusal(self, problem: str) -> str:
        return f"{self.path} {problem}. Correct it, or move it away: Phoenix does not overwrite settings it cannot read"

    def _recorded(self, seen: Observation) -> set[str]:
        try:
            return set(json.loads(seen.text(self.record) or "[]"))
        except (ValueError, TypeError):
            return set()

    def _set_by_us(self, have: Mapping[str, Any], recorded: set[str]) -> set[str]:
        return {key for key, value in self.values.items() if key in recorded or have.get(key) != value}

    def _reason(self, have: Mapping[str, Any], want: Mapping[str, Any]) -> str:
        keys = sorted(key for key in have.keys() | want.keys() if have.get(key) != want.get(key))
        return f"differs in {', '.join(keys)}" if keys else "others than root can change it"


def _safe(stat: FileStat | None) -> tuple[str, str]:
    """The owner and mode to set: those that are there, unless others than root can change the file."""
    if stat and stat.owner.startswith("root:") and not int(stat.mode, 8) & 0o022:
        return stat.owner, stat.mode
    return "root:root", "0644"
